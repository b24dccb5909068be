//! Parts of a YAML text replaced by others. What it means elsewhere stays as it is: that is looked at afterwards, not
//! assumed.

use super::node::{Node, NodeKey, NodeValue};
use super::yaml;
use crate::model::{FileId, Fix};
use std::ops::Range;

/// Where not all fixes of a text can be made together, as many are tried one by one.
const MOST: usize = 100;

/// A text with all of these fixes that can be made in it, and how many that are. One that overlaps another, or would
/// change what stands elsewhere, is left out. Their spans are places in this text.
pub fn patched(text: &str, fixes: &[&Fix]) -> (String, usize) {
    let mut fixes = fixes.to_vec();
    fixes.sort_by_key(|fix| (fix.span.start, fix.span.end));
    fixes.dedup();
    let mut end = 0;
    fixes.retain(|fix| {
        let apart = fix.span.start >= end;
        end = if apart { fix.span.end } else { end };
        apart
    });
    if let Some(new) = with(text, &fixes) {
        return (new, fixes.len());
    }
    fixes.truncate(MOST);
    let mut made: Vec<&Fix> = Vec::new();
    let mut best = text.to_owned();
    for fix in fixes {
        made.push(fix);
        match with(text, &made) {
            Some(new) => best = new,
            None => drop(made.pop()),
        }
    }
    (best, made.len())
}

/// The text with these fixes, in their order; `None` where that changes anything else.
fn with(text: &str, fixes: &[&Fix]) -> Option<String> {
    let mut new = String::with_capacity(text.len());
    let mut from = 0;
    for fix in fixes {
        let place = fix.span.range();
        new += text.get(from..place.start)?;
        new += &fix.text;
        from = place.end;
    }
    new += text.get(from..)?;
    // Only this one text is looked at: any number will do for it.
    let tree = |text| yaml::parse(FileId(0), text).ok();
    same(&tree(text)?, &tree(&new)?, fixes).then_some(new)
}

/// Whether two trees differ in what stands at the places of the fixes only, which are those of the first.
fn same(before: &Node, after: &Node, fixes: &[&Fix]) -> bool {
    let touched = |span: Range<usize>| {
        fixes.iter().any(|fix| span.start < fix.span.range().end && fix.span.range().start < span.end)
    };
    match (&before.value, &after.value) {
        (NodeValue::Map(old), NodeValue::Map(new)) => {
            let entry = |((key, old), (new_key, new)): (&(NodeKey, Node), &(NodeKey, Node))| {
                (key.text == new_key.text || touched(key.span.range())) && same(old, new, fixes)
            };
            old.len() == new.len() && old.iter().zip(new).all(entry)
        }
        (NodeValue::Seq(old), NodeValue::Seq(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same(old, new, fixes))
        }
        (NodeValue::Map(_) | NodeValue::Seq(_), _) => false,
        (old, new) => old == new || touched(before.span.range()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Span;

    fn fix(text: &str, wrong: &str, right: &str) -> Fix {
        let start = text.find(wrong).unwrap();
        Fix { span: Span::new(FileId(0), start..start + wrong.len()), text: right.into(), certain: true }
    }

    #[test]
    fn what_is_wrong_is_replaced_and_comments_stay() {
        let text = "a: wrnog # ö\nneeds: x # why\nbb: 1\n";
        let fixes = [fix(text, "wrnog", "wrong"), fix(text, "x", "[x]"), fix(text, "bb", "b")];
        let fixes: Vec<&Fix> = fixes.iter().collect();
        assert_eq!(patched(text, &fixes), ("a: wrong # ö\nneeds: [x] # why\nb: 1\n".into(), 3));
    }

    #[test]
    fn what_would_change_something_else_is_not_done() {
        let text = "a: [x, y]\nb: z\n";
        for wrong in [fix(text, "x", "x, w"), fix(text, "z", "z\nc: 1"), fix(text, "b", "a"), fix(text, "z", "[")] {
            assert_eq!(patched(text, &[&wrong]), (text.into(), 0), "{wrong:?}");
        }
        let (whole, part) = (fix(text, "b: z", "b: z"), fix(text, "z", "w"));
        assert_eq!(patched(text, &[&whole, &part]).1, 1);
    }
}
