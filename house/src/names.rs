//! What types are called, and how often an index is cast.

use crate::Source;
use std::collections::HashMap;
use syn::visit::{self, Visit};

/// Types, and those of them that share their name with another.
pub struct Shared {
    pub types: usize,
    pub shared: usize,
}

#[derive(Default)]
struct Types(Vec<String>);

impl<'ast> Visit<'ast> for Types {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.0.push(item.ident.to_string());
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.0.push(item.ident.to_string());
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.0.push(item.ident.to_string());
    }

    fn visit_item_union(&mut self, item: &'ast syn::ItemUnion) {
        self.0.push(item.ident.to_string());
    }
}

pub fn shared(sources: &[Source]) -> Shared {
    let mut types = Types::default();
    sources.iter().for_each(|source| types.visit_file(&source.syntax));
    let mut count: HashMap<&str, usize> = HashMap::new();
    types.0.iter().for_each(|name| *count.entry(name).or_default() += 1);
    let shared = count.values().filter(|times| **times > 1).sum();
    Shared { types: types.0.len(), shared }
}

#[derive(Default)]
struct Casts(usize);

impl<'ast> Visit<'ast> for Casts {
    fn visit_expr_cast(&mut self, cast: &'ast syn::ExprCast) {
        if matches!(&*cast.ty, syn::Type::Path(path) if path.path.is_ident("usize")) {
            self.0 += 1;
        }
        visit::visit_expr_cast(self, cast);
    }
}

/// How often something is cast to `usize`.
pub fn casts(sources: &[Source]) -> usize {
    let mut casts = Casts::default();
    sources.iter().for_each(|source| casts.visit_file(&source.syntax));
    casts.0
}
