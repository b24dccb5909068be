//! A step's `retry`.

use super::checked::Retry;
use super::context::CheckContext;
use super::shapes::RETRY;
use crate::action::Period;
use crate::load::{Fields, Node, NodeValue};
use crate::model::Diagnostic;
use crate::template::{Template, Templated, text};
use std::time::Duration;

/// Between two attempts, where `every` does not say it.
const EVERY: Duration = Duration::from_secs(1);

pub(super) fn read(reader: &mut CheckContext, node: &Node) -> Option<Retry> {
    let mut fields = Fields::of(node, &RETRY, &mut reader.problems)?;
    let attempts = fields.take("attempts");
    let within = fields.take("for");
    if attempts.is_none() && within.is_none() {
        let problem = Diagnostic::error("E0213", node.span, "this would be repeated for ever");
        reader.problems.push(problem.help("bound it by `attempts: N` or `for: DURATION`"));
    }
    let retry = Retry {
        attempts: attempts
            .and_then(|node| reader.whole_number(node, "`attempts`", 1))
            .map(|n| n.min(u32::MAX.into()) as u32),
        every: fields.take("every").and_then(|node| reader.duration(node, "`every`")).unwrap_or(EVERY),
        backoff: fields.take("backoff").and_then(|node| backoff(reader, node)).unwrap_or(1.0),
        within: within.map(|node| period(reader, node)),
        until: fields.take("until").and_then(|node| reader.expression(node, "`until`")),
    };
    fields.finish(&mut reader.problems);
    Some(retry)
}

/// A duration, or one whole `{{ expression }}` that gives one.
fn period(reader: &mut CheckContext, node: &Node) -> Templated {
    if !node.as_str().is_some_and(Template::is_in) {
        reader.duration(node, "`for`");
        return Templated::Value(node.to_json());
    }
    let late = reader.setting(node, "`for`");
    let Templated::Text(template) = &late else { return late };
    if template.whole.is_none() {
        reader.error("E0501", node.span, "`for` is a duration, or one `{{ expression }}` that gives one");
    } else if let Some((_, kind)) = reader.declared(template).filter(|(_, kind)| !kind.json_types().contains(&"string"))
    {
        reader.error("E0501", node.span, format!("`for` is a duration, the parameter is {}", kind.said()));
    } else if let Some(Err(why)) =
        reader.constant(template).and_then(|value| Some(text(&value).ok()?.parse::<Period>()))
    {
        reader.error("E0507", node.span, why);
    }
    late
}

fn backoff(reader: &mut CheckContext, node: &Node) -> Option<f64> {
    let factor = match &node.value {
        NodeValue::Number(number) => number.as_f64().filter(|factor| *factor >= 1.0),
        _ => None,
    };
    if factor.is_none() {
        reader.error("E0501", node.span, "`backoff` is a factor from 1 on, such as 2");
    }
    factor
}
