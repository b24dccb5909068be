//! The one MiniJinja environment: strict, fuelled, printing as YAML readers expect.

use indexmap::IndexMap;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value, escape_formatter};
use std::sync::LazyLock;

/// Enough for any honest template; an endless loop stops here.
const FUEL: u64 = 1_000_000;

pub(super) static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.set_syntax(syntax());
    env.set_debug(true);
    env.set_fuel(Some(FUEL));
    env.set_formatter(|out, state, value| match value.kind() {
        ValueKind::Bool => Ok(out.write_str(if value.is_true() { "true" } else { "false" })?),
        ValueKind::Map | ValueKind::Seq | ValueKind::Iterable => Err(Error::new(
            ErrorKind::InvalidOperation,
            "a list or map has no text of its own: use `| join(',')` or `| tojson`",
        )),
        ValueKind::None => Err(Error::new(ErrorKind::InvalidOperation, "null has no text: use `| default(..., true)`")),
        _ => escape_formatter(out, state, value),
    });
    env.add_filter("ceil_to", ceil_to);
    env.add_filter("basename", |path: &str| path.trim_end_matches('/').rsplit('/').next().unwrap_or("").to_owned());
    env.add_filter("dirname", dirname);
    env.add_filter("pivot", pivot);
    env
});

/// A template's last line break is its author's.
pub(super) fn syntax() -> SyntaxConfig {
    SyntaxConfig::builder().keep_trailing_newline(true).build().expect("the default delimiters are valid")
}

/// Rounds up to a multiple: `1043 | ceil_to(100)` is 1100.
fn ceil_to(value: f64, step: i64) -> Result<i64, Error> {
    if step <= 0 {
        return Err(Error::new(ErrorKind::InvalidOperation, "ceil_to needs a step above 0"));
    }
    Ok((value / step as f64).ceil() as i64 * step)
}

/// Makes a wide table of a long one: `[{what: a, host: x, value: 1}, {what: a, host: y, value: 2}]` with
/// `pivot('what', 'host', 'value')` is `[{what: a, x: 1, y: 2}]`.
fn pivot(rows: Value, row: &str, column: &str, value: &str) -> Result<Value, Error> {
    let mut wide: IndexMap<Value, IndexMap<Value, Value>> = IndexMap::new();
    for record in rows.try_iter()? {
        let [row_of, column_of, value_of] = [row, column, value].map(|name| record.get_attr(name));
        let own = wide.entry(row_of?).or_insert_with_key(|of| [(Value::from(row), of.clone())].into_iter().collect());
        own.insert(column_of?, value_of?);
    }
    Ok(wide.into_values().map(Value::from_pairs).collect())
}

fn dirname(path: &str) -> String {
    let path = path.trim_end_matches('/');
    match path.rsplit_once('/') {
        Some(("", _)) => "/".to_owned(),
        Some((dir, _)) => dir.to_owned(),
        None => ".".to_owned(),
    }
}

/// Whether evaluating `probe` knows what it calls: MiniJinja has no list to ask.
fn knows(probe: &str, unknown: ErrorKind) -> bool {
    match ENVIRONMENT.compile_expression(probe).and_then(|expr| expr.eval(())) {
        Err(error) => error.kind() != unknown,
        Ok(_) => true,
    }
}

fn is_word(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

pub fn has_filter(name: &str) -> bool {
    is_word(name) && knows(&format!("0|{name}"), ErrorKind::UnknownFilter)
}

/// Comparisons are tests by their signs, too, where a name is given as text: `select('>', 3)`.
pub fn has_test(name: &str) -> bool {
    ["==", "!=", "<", "<=", ">", ">="].contains(&name)
        || is_word(name) && knows(&format!("0 is {name}"), ErrorKind::UnknownTest)
}

pub fn has_function(name: &str) -> bool {
    is_word(name) && ENVIRONMENT.globals().any(|(known, _): (_, Value)| known == name)
}

/// Filters worth suggesting where a name is not known.
pub fn known_filters() -> &'static [&'static str] {
    &[
        "abs",
        "attr",
        "basename",
        "batch",
        "bool",
        "ceil_to",
        "default",
        "dictsort",
        "dirname",
        "first",
        "float",
        "groupby",
        "int",
        "items",
        "join",
        "last",
        "length",
        "lines",
        "list",
        "lower",
        "map",
        "max",
        "min",
        "pivot",
        "reject",
        "rejectattr",
        "replace",
        "reverse",
        "round",
        "select",
        "selectattr",
        "slice",
        "sort",
        "split",
        "string",
        "sum",
        "title",
        "tojson",
        "trim",
        "unique",
        "upper",
        "zip",
    ]
}

/// Tests worth suggesting where a name is not known.
pub fn known_tests() -> &'static [&'static str] {
    &[
        "boolean",
        "defined",
        "divisibleby",
        "endingwith",
        "eq",
        "even",
        "false",
        "filter",
        "ge",
        "gt",
        "in",
        "integer",
        "iterable",
        "le",
        "lt",
        "mapping",
        "ne",
        "none",
        "number",
        "odd",
        "sequence",
        "startingwith",
        "string",
        "true",
        "undefined",
    ]
}
