//! From text to [`Template`] and [`Expr`]: syntax, and the names and calls in it.

use super::environment::{ENVIRONMENT, syntax};
use super::refs::{Call, Ref, ReferenceCollector};
use crate::model::TextPosition;
use minijinja::machinery::ast::{self, Stmt};
use minijinja::machinery::{Token, parse, parse_expr, tokenize};
use std::ops::Range;
use std::sync::Arc;

/// A template or an expression that cannot be parsed: what, and the bytes of the text where.
#[derive(Clone, Debug, PartialEq)]
pub struct SyntaxFault {
    pub message: String,
    pub range: Range<usize>,
}

impl SyntaxFault {
    fn new(error: &minijinja::Error, text: &str) -> Self {
        let message = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        SyntaxFault { message, range: error.range().unwrap_or(0..text.len()) }
    }
}

/// Words and signs in one expression, at most: what parses and walks one calls itself for each within another.
const MOST: usize = 1000;

fn refuse_endless(source: &str, in_expression: bool) -> Result<(), SyntaxFault> {
    let mut parts = 0;
    // What is no token at all is for the parser to say.
    for (token, span) in tokenize(source, in_expression, syntax()).map_while(Result::ok) {
        parts = match token {
            Token::VariableStart | Token::BlockStart => 0,
            _ => parts + 1,
        };
        if parts > MOST {
            let message = format!("an expression has more than {MOST} parts");
            return Err(SyntaxFault { message, range: span.start_offset as usize..span.end_offset as usize });
        }
    }
    Ok(())
}

/// `${#NAME}` is a shell's, and `{#` begins a comment here: what stands after it would be lost.
fn refuse_shells_length(source: &str) -> Result<(), SyntaxFault> {
    for (token, span) in tokenize(source, false, syntax()).map_while(Result::ok) {
        let end = span.end_offset as usize;
        if matches!(token, Token::TemplateData(text) if text.ends_with('$')) && source[end..].starts_with("{#") {
            let length =
                source[end..].find('}').map_or("${#NAME}".to_owned(), |at| format!("${}", &source[end..=end + at]));
            let message = format!(
                "`{{#` begins a comment in a template: write `{{{{ '{length}' }}}}` for the shell's `{length}`"
            );
            return Err(SyntaxFault { message, range: end - 1..end + 2 });
        }
    }
    Ok(())
}

/// A string with `{{ }}` or `{% %}` in it.
#[derive(Clone, Debug)]
pub struct Template {
    pub source: Arc<str>,
    pub place: TextPosition,
    /// The bytes of the expression, where the whole string is one `{{ }}`: then its value keeps its type.
    pub whole: Option<Range<usize>>,
    pub refs: Vec<Ref>,
    pub calls: Vec<Call>,
}

impl Template {
    /// Whether a string is a template at all.
    pub fn is_in(text: &str) -> bool {
        text.contains("{{") || text.contains("{%") || text.contains("{#")
    }

    pub fn parse(source: impl Into<Arc<str>>, place: TextPosition) -> Result<Template, SyntaxFault> {
        let source = source.into();
        refuse_endless(&source, false)?;
        refuse_shells_length(&source)?;
        let tree = parse(&source, "", syntax()).map_err(|e| SyntaxFault::new(&e, &source))?;
        // What the parser lets pass and only the compiler refuses, such as a break outside a loop.
        ENVIRONMENT.template_from_str(&source).map_err(|e| SyntaxFault::new(&e, &source))?;
        let whole = whole_expression(&tree, &source);
        let mut found = ReferenceCollector::default();
        found.statement(&tree);
        if let Some(range) = found.elsewhere.into_iter().next() {
            let message = "there are no other templates to include, import or extend: write it out here".to_owned();
            return Err(SyntaxFault { message, range });
        }
        let (refs, calls) = (found.refs, found.calls);
        Ok(Template { place, whole, refs, calls, source })
    }
}

/// A bare expression.
#[derive(Clone, Debug)]
pub struct Expr {
    pub source: Arc<str>,
    pub place: TextPosition,
    /// Whether it may give a boolean: a number, text or list certainly does not.
    pub may_be_bool: bool,
    pub refs: Vec<Ref>,
    pub calls: Vec<Call>,
}

impl Expr {
    pub fn parse(source: impl Into<Arc<str>>, place: TextPosition) -> Result<Expr, SyntaxFault> {
        let source = source.into();
        refuse_endless(&source, true)?;
        let tree = parse_expr(&source).map_err(|e| SyntaxFault::new(&e, &source))?;
        let may_be_bool = may_be_bool(&tree);
        let mut found = ReferenceCollector::default();
        found.expression(&tree);
        let (refs, calls) = (found.refs, found.calls);
        Ok(Expr { place, may_be_bool, refs, calls, source })
    }
}

fn whole_expression(tree: &Stmt, source: &str) -> Option<Range<usize>> {
    let Stmt::Template(template) = tree else { return None };
    let [Stmt::EmitExpr(_)] = template.children.as_slice() else { return None };
    let inner = source.strip_prefix("{{")?.strip_suffix("}}")?;
    let lead = 2 + usize::from(inner.starts_with(['-', '+']));
    let trail = 2 + usize::from(inner.ends_with(['-', '+']));
    (lead + trail <= source.len()).then(|| lead..source.len() - trail)
}

fn may_be_bool(expr: &ast::Expr) -> bool {
    use ast::Expr::*;
    use minijinja::value::ValueKind;
    match expr {
        Const(c) => c.value.kind() == ValueKind::Bool,
        List(_) | Tuple(_) | Map(_) | Slice(_) => false,
        UnaryOp(op) => !matches!(op.op, ast::UnaryOpKind::Neg),
        BinOp(op) => match op.op {
            ast::BinOpKind::ScAnd | ast::BinOpKind::ScOr => may_be_bool(&op.left) && may_be_bool(&op.right),
            _ => !is_arithmetic(&op.op),
        },
        Filter(filter) => {
            !matches!(filter.name, "length" | "count" | "int" | "float" | "join" | "list" | "string" | "sum")
        }
        IfExpr(choice) => may_be_bool(&choice.true_expr) || choice.false_expr.as_ref().is_some_and(may_be_bool),
        Var(_) | Compare(_) | Test(_) | GetAttr(_) | GetItem(_) | Call(_) => true,
    }
}

fn is_arithmetic(op: &ast::BinOpKind) -> bool {
    use ast::BinOpKind::*;
    matches!(op, Add | Sub | Mul | Div | FloorDiv | Rem | Pow | Concat)
}
