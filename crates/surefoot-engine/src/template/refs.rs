//! The names that a template refers to, and the filters, tests and functions that it calls, each with its place.

use minijinja::machinery::Span;
use minijinja::machinery::ast::{self, CallArg, Expr, Stmt};
use std::ops::Range;

/// One step of a path: `.name`, `["name"]`, or an index that is known only later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seg {
    Name(String),
    Any,
}

impl Seg {
    pub fn as_name(&self) -> Option<&str> {
        match self {
            Seg::Name(name) => Some(name),
            Seg::Any => None,
        }
    }
}

/// A use of an outer name with what is taken from it: `steps.config.on[h.name].out.name` is
/// `steps`, `config`, `on`, any, `out`, `name`. Names bound inside the template (`for`, `set`) are no references.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ref {
    /// At least one; the first is a name.
    pub path: Vec<Seg>,
    /// Bytes of the template's text.
    pub range: Range<usize>,
    /// Whether its text may come through into what is rendered; not where it is only compared, tested or counted.
    pub shown: bool,
}

impl Ref {
    /// The `i`th part of the path, where it is a name.
    pub fn name(&self, i: usize) -> Option<&str> {
        self.path.get(i)?.as_name()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    Filter,
    Test,
    Function,
}

/// A filter, test or function by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub kind: CallKind,
    pub name: String,
    pub range: Range<usize>,
}

/// Walks a syntax tree.
#[derive(Default)]
pub(super) struct ReferenceCollector<'a> {
    pub refs: Vec<Ref>,
    pub calls: Vec<Call>,
    /// Statements that want another template, of which there is none.
    pub elsewhere: Vec<Range<usize>>,
    /// Names bound inside, innermost last.
    bound: Vec<&'a str>,
    /// Within something that lets no text through.
    mute: bool,
}

/// Filters that make a number or a truth of whatever they are given.
const COUNTERS: &[&str] = &["bool", "count", "float", "int", "length"];

impl<'a> ReferenceCollector<'a> {
    pub fn statement(&mut self, statement: &Stmt<'a>) {
        match statement {
            Stmt::Template(t) => self.statements(&t.children),
            Stmt::EmitExpr(e) => self.expression(&e.expr),
            Stmt::EmitRaw(_) => {}
            Stmt::ForLoop(l) => self.for_loop(l),
            Stmt::IfCond(c) => {
                self.muted(|me| me.expression(&c.expr));
                self.statements(&c.true_body);
                self.statements(&c.false_body);
            }
            Stmt::WithBlock(w) => self.scoped(|me| {
                for (target, value) in &w.assignments {
                    me.expression(value);
                    me.bind(target);
                }
                me.statements(&w.body);
            }),
            Stmt::Set(s) => {
                self.expression(&s.expr);
                self.bind(&s.target);
            }
            Stmt::SetBlock(s) => {
                s.filter.iter().for_each(|f| self.expression(f));
                self.scoped(|me| me.statements(&s.body));
                self.bind(&s.target);
            }
            Stmt::AutoEscape(a) => self.statements(&a.body),
            Stmt::FilterBlock(f) => {
                self.expression(&f.filter);
                self.statements(&f.body);
            }
            Stmt::Macro(m) => self.macro_body(m),
            Stmt::CallBlock(c) => {
                self.call(&c.call, c.call.span());
                self.macro_body(&c.macro_decl);
            }
            Stmt::Do(d) => self.call(&d.call, d.call.span()),
            Stmt::Block(b) => self.statements(&b.body),
            Stmt::Import(i) => self.elsewhere.push(range(i.span())),
            Stmt::FromImport(i) => self.elsewhere.push(range(i.span())),
            Stmt::Extends(e) => self.elsewhere.push(range(e.span())),
            Stmt::Include(i) => self.elsewhere.push(range(i.span())),
        }
    }

    fn statements(&mut self, statements: &[Stmt<'a>]) {
        statements.iter().for_each(|s| self.statement(s));
    }

    fn for_loop(&mut self, l: &ast::ForLoop<'a>) {
        self.expression(&l.iter);
        self.scoped(|me| {
            me.bound.push("loop");
            me.bind(&l.target);
            l.filter_expr.iter().for_each(|f| me.expression(f));
            me.statements(&l.body);
        });
        self.scoped(|me| me.statements(&l.else_body));
    }

    fn macro_body(&mut self, m: &ast::Macro<'a>) {
        self.bound.push(m.name);
        m.defaults.iter().for_each(|d| self.expression(d));
        self.scoped(|me| {
            me.bound.push("caller");
            m.args.iter().for_each(|a| me.bind(a));
            me.statements(&m.body);
        });
    }

    fn scoped(&mut self, walk: impl FnOnce(&mut Self)) {
        let depth = self.bound.len();
        walk(self);
        self.bound.truncate(depth);
    }

    fn muted(&mut self, walk: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.mute, true);
        walk(self);
        self.mute = outer;
    }

    fn bind(&mut self, target: &Expr<'a>) {
        match target {
            Expr::Var(v) => self.bound.push(v.id),
            Expr::List(l) => l.items.iter().for_each(|t| self.bind(t)),
            Expr::Tuple(t) => t.items.iter().for_each(|t| self.bind(t)),
            other => self.expression(other),
        }
    }

    pub fn expression(&mut self, expr: &Expr<'a>) {
        match expr {
            Expr::Var(_) | Expr::GetAttr(_) | Expr::GetItem(_) => self.path(expr),
            Expr::Const(_) => {}
            Expr::Slice(s) => {
                self.expression(&s.expr);
                [&s.start, &s.stop, &s.step].into_iter().flatten().for_each(|e| self.expression(e));
            }
            Expr::UnaryOp(op) => self.muted(|me| me.expression(&op.expr)),
            Expr::BinOp(op) => {
                self.expression(&op.left);
                self.expression(&op.right);
            }
            Expr::Compare(c) => self.muted(|me| {
                me.expression(&c.expr);
                c.ops.iter().for_each(|op| me.expression(&op.expr));
            }),
            Expr::IfExpr(i) => {
                self.muted(|me| me.expression(&i.test_expr));
                self.expression(&i.true_expr);
                i.false_expr.iter().for_each(|e| self.expression(e));
            }
            Expr::Filter(f) if COUNTERS.contains(&f.name) => self.muted(|me| me.filter(f, f.span())),
            Expr::Filter(f) => self.filter(f, f.span()),
            Expr::Test(t) => self.muted(|me| {
                me.expression(&t.expr);
                me.called(CallKind::Test, t.name, t.span());
                me.arguments(&t.args);
            }),
            Expr::Call(c) => self.call(c, c.span()),
            Expr::List(l) => l.items.iter().for_each(|e| self.expression(e)),
            Expr::Tuple(t) => t.items.iter().for_each(|e| self.expression(e)),
            Expr::Map(m) => m.keys.iter().chain(&m.values).for_each(|e| self.expression(e)),
        }
    }

    fn filter(&mut self, filter: &ast::Filter<'a>, span: Span) {
        filter.expr.iter().for_each(|e| self.expression(e));
        self.outputs_of_all(filter);
        self.called(CallKind::Filter, filter.name, span);
        self.called_by_name(filter);
        self.arguments(&filter.args);
    }

    fn call(&mut self, call: &ast::Call<'a>, span: Span) {
        match &call.expr {
            Expr::Var(v) if !self.bound.contains(&v.id) => self.called(CallKind::Function, v.id, span),
            // A method: what it is called on is a path, its own name is not.
            Expr::GetAttr(method) => self.expression(&method.expr),
            other => self.expression(other),
        }
        self.arguments(&call.args);
    }

    fn arguments(&mut self, args: &[CallArg<'a>]) {
        for arg in args {
            match arg {
                CallArg::Pos(e) | CallArg::Kwarg(_, e) | CallArg::PosSplat(e) | CallArg::KwargSplat(e) => {
                    self.expression(e)
                }
            }
        }
    }

    fn called(&mut self, kind: CallKind, name: &str, span: Span) {
        self.calls.push(Call { kind, name: name.to_owned(), range: range(span) });
    }

    /// `select('even')`, `selectattr('name', 'odd')` and `map('trim')` take the name of a test or a filter as text.
    fn called_by_name(&mut self, filter: &ast::Filter<'a>) {
        let (kind, place) = match filter.name {
            "select" | "reject" => (CallKind::Test, 0),
            "selectattr" | "rejectattr" => (CallKind::Test, 1),
            "map" => (CallKind::Filter, 0),
            _ => return,
        };
        let Some(CallArg::Pos(Expr::Const(text))) = filter.args.get(place) else { return };
        if let Some(name) = text.value.as_str() {
            self.called(kind, name, text.span());
        }
    }

    /// `steps.x.all | map(attribute='out.name')` takes `out.name` of `steps.x` on every host.
    fn outputs_of_all(&mut self, filter: &ast::Filter<'a>) {
        const BY_NAME: &[&str] = &["selectattr", "rejectattr"];
        const BY_KEYWORD: &[&str] = &["map", "sort", "unique", "sum", "min", "max", "groupby"];
        let found = filter.args.iter().enumerate().find_map(|(i, arg)| match arg {
            CallArg::Kwarg("attribute", Expr::Const(text)) if BY_KEYWORD.contains(&filter.name) => Some(text),
            CallArg::Pos(Expr::Const(text)) if i == 0 && BY_NAME.contains(&filter.name) => Some(text),
            _ => None,
        });
        let Some(attribute) = found else { return };
        let Some((step, names)) = filter.expr.as_ref().and_then(all_of).zip(attribute.value.as_str()) else { return };
        let Some(names) = names.strip_prefix("out.") else { return };
        let name = |name: &str| Seg::Name(name.to_owned());
        let mut path = vec![name("steps"), name(step), name("on"), Seg::Any, name("out")];
        path.extend(names.split('.').map(name));
        self.refs.push(Ref { path, range: range(attribute.span()), shown: !self.mute });
    }

    /// Follows `a.b["c"][d]` down to its root name.
    fn path(&mut self, expr: &Expr<'a>) {
        let mut path = Vec::new();
        let mut at = expr;
        let root = loop {
            match at {
                Expr::GetAttr(a) => {
                    path.push(Seg::Name(a.name.to_owned()));
                    at = &a.expr;
                }
                Expr::GetItem(i) => {
                    path.push(match i.subscript_expr.as_const().as_ref().and_then(|c| c.as_str().map(str::to_owned)) {
                        Some(name) => Seg::Name(name),
                        None => Seg::Any,
                    });
                    self.muted(|me| me.expression(&i.subscript_expr));
                    at = &i.expr;
                }
                Expr::Var(v) => break v.id,
                other => return self.expression(other),
            }
        };
        if self.bound.contains(&root) {
            return;
        }
        path.push(Seg::Name(root.to_owned()));
        path.reverse();
        let start = root_span(expr).start_offset as usize;
        self.refs.push(Ref { path, range: start..expr.span().end_offset as usize, shown: !self.mute });
    }
}

/// The step of `steps.x.all`, with filters that keep its records.
fn all_of<'a>(expr: &Expr<'a>) -> Option<&'a str> {
    match expr {
        Expr::Filter(f) if ["selectattr", "rejectattr", "sort", "list", "reverse"].contains(&f.name) => {
            f.expr.as_ref().and_then(all_of)
        }
        Expr::GetAttr(all) if all.name == "all" => match &all.expr {
            Expr::GetAttr(step) if matches!(&step.expr, Expr::Var(steps) if steps.id == "steps") => Some(step.name),
            _ => None,
        },
        _ => None,
    }
}

fn root_span(expr: &Expr) -> Span {
    match expr {
        Expr::GetAttr(a) => root_span(&a.expr),
        Expr::GetItem(i) => root_span(&i.expr),
        other => other.span(),
    }
}

fn range(span: Span) -> Range<usize> {
    span.start_offset as usize..span.end_offset as usize
}
