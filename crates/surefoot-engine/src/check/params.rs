//! Declared parameters, and the values that one run gives them.

use super::checked::{ParamSpec, ParamType, Runbook, UsedRunbook};
use super::command;
use super::context::CheckContext;
use super::shapes::PARAM;
use super::step::keys::check_name;
use crate::action::Period;
use crate::load::{Fields, GivenParameter, Node, NodeKey, NodeValue, did_you_mean};
use crate::model::{Diagnostic, Sources, Span};
use crate::secret::{PARAMETER_FORMS, SecretSource};
use crate::template::{Template, Templated};
use indexmap::IndexMap;
use serde_json::Value as Json;
use std::path::Path;

/// Reads `params`.
pub(super) fn declared(reader: &mut CheckContext, node: &Node) {
    let NodeValue::Map(entries) = &node.value else {
        reader.error("E0202", node.span, format!("`params` is a map of parameters, this is {}", node.kind()));
        return;
    };
    for (key, node) in entries {
        check_name(reader, &key.text, key.span, "a parameter");
        if let Some(spec) = declaration(reader, key, node) {
            reader.params.insert(key.text.clone(), spec);
        }
    }
}

fn declaration(reader: &mut CheckContext, key: &NodeKey, node: &Node) -> Option<ParamSpec> {
    let mut fields = Fields::of(node, &PARAM, &mut reader.problems)?;
    let kind = fields.take("type").and_then(|node| param_type(reader, node));
    let summary = fields.take("summary").and_then(|node| reader.literal(node, "`summary`"));
    let default = fields.take("default");
    fields.finish(&mut reader.problems);
    // Later mistakes should not be about the parameter being unknown.
    let kind = kind.unwrap_or(ParamType::String);
    let default = default.and_then(|node| match typed(kind, node, reader.sources) {
        Ok(value) => Some(value),
        Err(why) if kind == ParamType::Secret => {
            reader.problems.push(literal_secret(node.span, format!("the default of `{}`: {why}", key.text)));
            None
        }
        Err(why) => {
            reader.error("E0501", node.span, format!("the default of `{}`: {why}", key.text));
            None
        }
    });
    if kind == ParamType::String && command::is_secret_name(&key.text) {
        let message = format!("`{}` is named like a secret, and is none: it would be seen, and kept", key.text);
        reader.warn("W0511", key.span, message, "declare it with `type: secret`");
    }
    let default = default.map(|value| anchored_here(reader, kind, value, key.span));
    Some(ParamSpec { kind, default, summary, span: key.span })
}

fn param_type(reader: &mut CheckContext, node: &Node) -> Option<ParamType> {
    let name = reader.literal(node, "`type`")?;
    let found = ParamType::NAMES.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
    if found.is_none() {
        let known = ParamType::NAMES.iter().map(|(known, _)| *known);
        reader.unknown("E0501", node.span, format!("no parameter has the type `{name}`"), &name, known);
    }
    found
}

/// The value as the type wants it; the text says why it does not fit.
fn typed(kind: ParamType, node: &Node, sources: &Sources) -> Result<Json, String> {
    let wrong = || format!("{} is wanted, this is {}", kind.said(), node.kind());
    let text = || node.text(sources).map(Json::from).ok_or_else(wrong);
    match (kind, &node.value) {
        (ParamType::String | ParamType::File, _) => text(),
        // `password:` alone.
        (ParamType::Secret, NodeValue::Null) => Ok(SecretSource::Ask.to_string().into()),
        (ParamType::Secret, _) => {
            let source = node.text(sources).filter(|text| SecretSource::parse(text, Path::new("")).is_some());
            source
                .map(Json::from)
                .ok_or_else(|| format!("a secret is never written out: say where it is found, {PARAMETER_FORMS}"))
        }
        (ParamType::Duration, _) => {
            let value = text()?;
            value.as_str().unwrap_or("").parse::<Period>().map(|_| value.clone())
        }
        (ParamType::Int, NodeValue::Number(number)) if !number.is_f64() => Ok(node.to_json()),
        (ParamType::Float, NodeValue::Number(_)) => Ok(node.to_json()),
        (ParamType::Bool, NodeValue::Bool(_)) => Ok(node.to_json()),
        (ParamType::List, NodeValue::Seq(_)) | (ParamType::Map, NodeValue::Map(_)) => Ok(node.to_json()),
        _ => Err(wrong()),
    }
}

fn mistyped(span: Span, name: &str, spec: &ParamSpec, why: &str) -> Diagnostic {
    let problem = Diagnostic::error("E0604", span, format!("the parameter `{name}`: {why}"));
    let problem = problem.label(spec.span, "declared here");
    match spec.kind.sample() {
        Some(sample) => problem.help(format!("{} is written as {sample}", spec.kind.said())),
        None => problem,
    }
}

/// A secret that was written out. What stands there is not shown again.
fn literal_secret(span: Span, message: String) -> Diagnostic {
    let problem = Diagnostic::error("E0606", span, message).redact();
    problem.help("`env:NAME` is safest from a command line: other users of the machine can see arguments")
}

/// A relative file starts from `folder`. An empty one means none.
fn anchored(kind: ParamType, value: Json, folder: &Path) -> Json {
    match value {
        Json::String(path) if kind == ParamType::File && !path.is_empty() => {
            Json::String(folder.join(path).to_string_lossy().into_owned())
        }
        Json::String(text) if kind == ParamType::Secret => {
            SecretSource::parse(&text, folder).map_or(Json::Null, |source| source.to_string().into())
        }
        other => other,
    }
}

/// The same of what stands in the runbook itself. Where that has no folder, nothing may depend on one.
fn anchored_here(reader: &mut CheckContext, kind: ParamType, value: Json, span: Span) -> Json {
    if let Some(folder) = reader.folder() {
        return anchored(kind, value, &folder);
    }
    let anywhere = ["/", "/elsewhere"].map(|folder| anchored(kind, value.clone(), Path::new(folder)));
    if anywhere[0] != anywhere[1] {
        reader.no_folder(span);
    }
    value
}

/// The value that a step gives a parameter of the runbook that it uses.
pub(super) fn argument(reader: &mut CheckContext, name: &str, node: &Node, spec: &ParamSpec) -> Templated {
    let kind = spec.kind;
    let wrong = |span: Span, why: String| mistyped(span, name, spec, &why);
    let late = match reader.template(node) {
        Some(template) => {
            let given = declared_as(reader, &template);
            if template.whole.is_none() && !kind.json_types().contains(&"string") {
                let why = format!("{} is wanted: text around `{{{{ }}}}` makes text of it", kind.said());
                reader.problems.push(wrong(node.span, why));
            } else if let Some(given) = given.filter(|given| !kind.takes(*given)) {
                let why = format!("{} is wanted, this is {}", kind.said(), given.said());
                reader.problems.push(wrong(node.span, why));
            }
            Templated::Text(template)
        }
        None if node.as_str().is_some_and(Template::is_in) => Templated::Value(Json::Null),
        None => match (typed(kind, node, reader.sources), &node.value) {
            (Ok(_), NodeValue::Seq(_) | NodeValue::Map(_)) => reader.any(node),
            (Ok(value), _) => Templated::Value(anchored_here(reader, kind, value, node.span)),
            (Err(why), _) if kind == ParamType::Secret => {
                reader.problems.push(literal_secret(node.span, format!("the parameter `{name}`: {why}")));
                Templated::Value(Json::Null)
            }
            (Err(why), _) => {
                reader.problems.push(wrong(node.span, why));
                Templated::Value(Json::Null)
            }
        },
    };
    match (kind, late) {
        (ParamType::File, late @ Templated::Text(_)) => Templated::Path(Box::new(late), reader.folder()),
        (_, late) => late,
    }
}

/// The type of the parameter that a template is, where it is one and nothing else.
fn declared_as(reader: &CheckContext, template: &Template) -> Option<ParamType> {
    let [only] = template.refs.as_slice() else { return None };
    let inner = template.source[template.whole.clone()?].trim();
    let alone = only.path.len() == 2 && inner == &template.source[only.range.clone()];
    let name = only.name(1).filter(|_| alone && only.name(0) == Some("params"))?;
    reader.params.get(name).map(|spec| spec.kind)
}

/// A value that is known late as the type wants it; the text says why it does not fit.
pub fn fitting(kind: ParamType, value: Json) -> Result<Json, String> {
    let fits = match (kind, &value) {
        (ParamType::String | ParamType::File | ParamType::Duration, Json::Number(_) | Json::Bool(_)) => {
            return fitting(kind, Json::String(value.to_string()));
        }
        (ParamType::Duration, Json::String(text)) => return text.parse::<Period>().map(|_| value),
        (ParamType::String | ParamType::File | ParamType::Secret, Json::String(_)) => true,
        (ParamType::Int, Json::Number(number)) => !number.is_f64(),
        (ParamType::Float, Json::Number(_)) | (ParamType::Bool, Json::Bool(_)) => true,
        (ParamType::List, Json::Array(_)) | (ParamType::Map, Json::Object(_)) => true,
        _ => false,
    };
    let is = match &value {
        Json::Null => "nothing",
        Json::Bool(_) => "true or false",
        Json::Number(_) => "a number",
        Json::String(_) => "text",
        Json::Array(_) => "a list",
        Json::Object(_) => "a map",
    };
    if fits { Ok(value) } else { Err(format!("{} is wanted, this is {is}", kind.said())) }
}

/// The parameters of one run as a map: what was given, then defaults. A secret is its [`Source`], as text; one that was
/// not given is asked for. A relative file that was given starts from `current`,
/// and every file must be there. Of what is given twice the last counts.
pub fn params(
    runbook: &Runbook,
    given: &[GivenParameter],
    current: &Path,
    sources: &Sources,
) -> Result<Json, Vec<Diagnostic>> {
    let (values, mut problems) = valued(runbook, given, current, sources);
    for (name, (value, span)) in &values {
        problems.extend(missing_file(runbook.params[*name].kind, value, name, *span));
    }
    problems.extend(runbook.uses.iter().flat_map(missing_files));
    as_map(values, problems)
}

/// The files that parameters name and that are not there, but for those that somebody has a copy of.
pub fn missing_params(
    runbook: &Runbook,
    given: &[GivenParameter],
    current: &Path,
    sources: &Sources,
    has: impl Fn(&Path) -> bool,
) -> Vec<Diagnostic> {
    let (values, _) = valued(runbook, given, current, sources);
    let given = values.iter().map(|(name, (value, span))| (*name, runbook.params[*name].kind, value, *span));
    let to_used = runbook.uses.iter().flat_map(file_arguments);
    let is_here = |value: &Json| value.as_str().is_some_and(|path| has(Path::new(path)));
    let wanted = given.chain(to_used).filter(|(_, _, value, _)| !is_here(value));
    wanted.filter_map(|(name, kind, value, span)| missing_file(kind, value, name, span)).collect()
}

/// The same for a run that opens no file: none need be there.
pub fn params_literal(
    runbook: &Runbook,
    given: &[GivenParameter],
    current: &Path,
    sources: &Sources,
) -> Result<Json, Vec<Diagnostic>> {
    let (values, problems) = valued(runbook, given, current, sources);
    as_map(values, problems)
}

/// The mistakes that can be told of what is given before the folder is there that relative files start from: those files
/// are not looked for.
pub fn params_ahead(runbook: &Runbook, given: &[GivenParameter], sources: &Sources) -> Vec<Diagnostic> {
    let (values, mut problems) = valued(runbook, given, Path::new(""), sources);
    let there = values.iter().filter(|(_, (value, _))| value.as_str().is_some_and(|path| path.starts_with('/')));
    problems
        .extend(there.filter_map(|(name, (value, span))| missing_file(runbook.params[*name].kind, value, name, *span)));
    problems
}

/// Values by name, each with its place.
type Valued<'r> = IndexMap<&'r str, (Json, Span)>;

fn as_map(values: Valued, problems: Vec<Diagnostic>) -> Result<Json, Vec<Diagnostic>> {
    let all = values.into_iter().map(|(name, (value, _))| (name.to_owned(), value));
    if problems.is_empty() { Ok(Json::Object(all.collect())) } else { Err(problems) }
}

fn valued<'r>(
    runbook: &'r Runbook,
    given: &[GivenParameter],
    current: &Path,
    sources: &Sources,
) -> (Valued<'r>, Vec<Diagnostic>) {
    let mut problems = Vec::new();
    let mut values: Valued = IndexMap::new();
    for GivenParameter { key, value } in given {
        match runbook.params.get_key_value(&key.text) {
            Some((name, spec)) => match typed(spec.kind, value, sources) {
                Ok(json) => drop(values.insert(name, (anchored(spec.kind, json, current), value.span))),
                Err(why) if spec.kind == ParamType::Secret => {
                    let problem = literal_secret(value.span, format!("the parameter `{name}`: {why}"));
                    problems.push(problem.label(spec.span, "declared here"));
                }
                Err(why) => problems.push(mistyped(value.span, name, spec, &why)),
            },
            None => problems.push(undeclared(key, runbook)),
        }
    }
    let mut all = IndexMap::new();
    for (name, spec) in &runbook.params {
        let given_badly = || given.iter().any(|given| given.key.text == *name);
        let found = values.swap_remove(name.as_str()).or_else(|| spec.default.clone().map(|value| (value, spec.span)));
        match found {
            Some(found) => drop(all.insert(name.as_str(), found)),
            None if given_badly() => {}
            None if spec.kind == ParamType::Secret => {
                all.insert(name, (SecretSource::Ask.to_string().into(), spec.span));
            }
            None => problems.push(not_given(name, spec)),
        }
    }
    (all, problems)
}

/// Files that a used runbook is given by name, and that are not there.
fn missing_files(used: &UsedRunbook) -> impl Iterator<Item = Diagnostic> {
    file_arguments(used).filter_map(|(name, kind, value, span)| missing_file(kind, value, name, span))
}

/// What a used runbook is given and is known now: name, type, value and place.
fn file_arguments(used: &UsedRunbook) -> impl Iterator<Item = (&str, ParamType, &Json, Span)> {
    let known = |name: &String| used.params.get(name).map(|spec| spec.kind);
    used.with.iter().filter_map(move |(name, value)| Some((name.as_str(), known(name)?, value.as_value()?, used.span)))
}

fn undeclared(key: &NodeKey, runbook: &Runbook) -> Diagnostic {
    let problem = Diagnostic::error("E0602", key.span, format!("this runbook has no parameter `{}`", key.text));
    match did_you_mean(&key.text, runbook.params.keys().map(String::as_str)) {
        Some(help) => problem.help(help),
        None => problem,
    }
}

fn not_given(name: &str, spec: &ParamSpec) -> Diagnostic {
    let summary = spec.summary.as_deref().map(|summary| format!(" ({summary})")).unwrap_or_default();
    Diagnostic::error("E0603", spec.span, format!("the parameter `{name}` is not given"))
        .here(format!("{} is wanted", spec.kind.said()))
        .help(format!("give it with `-p {name}=...` or in a file with `-P FILE`{summary}"))
}

fn missing_file(kind: ParamType, value: &Json, name: &str, span: Span) -> Option<Diagnostic> {
    let path = value.as_str().filter(|path| kind == ParamType::File && !path.is_empty())?;
    let problem = |why: String| Some(Diagnostic::error("E0605", span, format!("the parameter `{name}`: {why}")));
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() => None,
        Ok(_) => problem(format!("`{path}` is not a file")),
        Err(why) => problem(format!("`{path}`: {why}")),
    }
}

/// Warns of declared parameters that nothing refers to.
pub(super) fn unused(reader: &mut CheckContext) {
    let unused: Vec<(String, Span)> = reader
        .params
        .iter()
        .filter(|(name, _)| !reader.used.contains(*name))
        .map(|(name, spec)| (name.clone(), spec.span))
        .collect();
    for (name, span) in unused {
        reader.warn(
            "W0301",
            span,
            format!("nothing uses the parameter `{name}`"),
            "remove it, or write `{{ params.NAME }}` where it belongs",
        );
    }
}
