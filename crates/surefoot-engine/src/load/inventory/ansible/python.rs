//! Values of INI files: Ansible reads them as literals of Python.

use crate::load::Node;
use crate::load::NodeValue;
use crate::model::Span;
use py_literal::Value;
use serde_json::Number;

/// What a literal stands for; none of other text, which is taken as it is.
pub(super) fn literal(text: &str, span: Span) -> Option<NodeValue> {
    // `010` is none in Python 3, and stays text.
    let digits = text.trim_start_matches(['-', '+']);
    if digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    of(text.parse().ok()?, span)
}

fn of(value: Value, span: Span) -> Option<NodeValue> {
    Some(match value {
        Value::String(text) => NodeValue::String(text),
        Value::Boolean(yes) => NodeValue::Bool(yes),
        Value::None => NodeValue::Null,
        Value::Integer(number) => match (i64::try_from(&number), u64::try_from(&number)) {
            (Ok(number), _) => NodeValue::Number(number.into()),
            (_, Ok(number)) => NodeValue::Number(number.into()),
            _ => return None,
        },
        Value::Float(number) => NodeValue::Number(Number::from_f64(number)?),
        Value::List(items) | Value::Tuple(items) => NodeValue::Seq(all(items, span)?),
        Value::Dict(entries) => {
            let entry = |(key, value): (Value, Value)| {
                let text = match of(key, span)? {
                    NodeValue::String(text) => text,
                    NodeValue::Number(number) => number.to_string(),
                    _ => return None,
                };
                Some((crate::load::NodeKey { text, span }, Node { span, value: of(value, span)? }))
            };
            NodeValue::Map(entries.into_iter().map(entry).collect::<Option<_>>()?)
        }
        Value::Bytes(_) | Value::Set(_) | Value::Complex(_) => return None,
    })
}

fn all(items: Vec<Value>, span: Span) -> Option<Vec<Node>> {
    items.into_iter().map(|item| Some(Node { span, value: of(item, span)? })).collect()
}
