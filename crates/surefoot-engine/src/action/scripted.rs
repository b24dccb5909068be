//! Actions that are written in YAML: scripts in the place of Rust. What they are made from is checked by `check`.
//!
//! Each script is run by the host's `sh -e`, as the step says whom by. It gets every parameter as a variable of that
//! name, and in `undo` what `inspect` printed before the change as `before`; lists and maps come as JSON.

use super::context::Cx;
use super::files;
use super::kind::{ActionKind, Erased, ErasedChange, ErasedSeen};
use super::kind::{TestMode, UndoSupport};
use crate::model::{Effect, Fault, Outputs, path_of};
use crate::template::{Scope, Templated};
use crate::world::{Script, fits};
use futures_util::future::BoxFuture;
use indexmap::IndexMap;
use minijinja::Value;
use minijinja::value::Serde;
use serde_json::{Value as Json, json};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The name by which `undo` knows what `inspect` printed before the change.
pub const BEFORE: &str = "before";

/// What `inspect` and each output may print, in bytes.
const LONGEST: usize = 64 << 10;

/// What an action written in YAML consists of.
#[derive(Clone, Debug)]
pub struct ScriptedAction {
    /// The key in a step.
    pub name: String,
    pub summary: String,
    pub example: String,
    pub params: IndexMap<String, ScriptedParam>,
    /// That it changes nothing, by its author's word.
    pub reads: bool,
    /// Prints what is there now.
    pub inspect: Option<String>,
    /// What `inspect` prints once it is as it should be. With it, the action looks first.
    pub expect: Option<Templated>,
    pub apply: String,
    pub undo: Option<String>,
    /// What on its host it makes so: paths, or such as `sysctl vm.swappiness`.
    pub resources: Vec<Templated>,
    /// A script for each output, run once it is done.
    pub outputs: IndexMap<String, String>,
}

/// A parameter of such an action.
#[derive(Clone, Debug)]
pub struct ScriptedParam {
    /// JSON Schema of its values.
    pub schema: Json,
    /// `None`: a step must give one.
    pub default: Option<Json>,
    pub is_secret: bool,
}

impl ScriptedAction {
    fn effect(&self) -> Effect {
        match (self.reads, &self.expect) {
            (true, _) => Effect::ReadOnly,
            (false, Some(_)) => Effect::Idempotent,
            (false, None) => Effect::Opaque,
        }
    }

    fn undo_support(&self) -> UndoSupport {
        match (self.reads, &self.undo) {
            (true, _) => UndoSupport::NotNeeded("it changes nothing"),
            (false, Some(_)) => UndoSupport::Supported(
                "runs the action's `undo`, unless others have changed since what its `inspect` prints",
            ),
            (false, None) => UndoSupport::Unsupported("the action has no `undo`: give the step one"),
        }
    }

    fn parameters(&self) -> Json {
        let properties = self.params.iter().map(|(name, param)| (name.clone(), param.schema.clone()));
        let required = self.params.iter().filter(|(_, param)| param.default.is_none()).map(|(name, _)| name.as_str());
        json!({
            "title": self.name,
            "description": self.summary,
            "type": "object",
            "properties": properties.collect::<serde_json::Map<_, _>>(),
            "required": required.collect::<Vec<_>>(),
            "additionalProperties": false,
        })
    }

    fn out_parameters(&self) -> Json {
        let text = |name: &String| (name.clone(), json!({ "type": "string" }));
        let properties: serde_json::Map<_, _> = self.outputs.keys().map(text).collect();
        json!({ "type": "object", "properties": properties, "required": self.outputs.keys().collect::<Vec<_>>() })
    }

    fn decode(self: &Arc<Self>, parameters: Json) -> Result<ScriptedStep, String> {
        let Json::Object(given) = parameters else { return Err("expected a map of parameters".to_owned()) };
        let mut values = IndexMap::new();
        for (name, param) in &self.params {
            let value = given.get(name).filter(|value| !value.is_null()).or(param.default.as_ref());
            let value = value.ok_or_else(|| format!("`{name}` is missing"))?;
            values.insert(name.clone(), value.clone());
        }
        if let Some(unknown) = given.keys().find(|name| !self.params.contains_key(*name)) {
            return Err(format!("no parameter is called `{unknown}`"));
        }
        for (name, value) in &values {
            fits(&format!("`{name}`"), text_of(value).len()).map_err(|fault| fault.message)?;
        }
        let scope = Scope::default().with("params", Value::from(Serde(&values)));
        let text = |template: &Templated| template.text(&scope).map_err(|fault| fault.message);
        let resources = self.resources.iter().map(text).collect::<Result<_, _>>()?;
        let expected = self.expect.as_ref().map(text).transpose()?.map(|text| trimmed(&text).to_owned());
        Ok(ScriptedStep { action: self.clone(), values, resources, expected })
    }
}

impl ActionKind {
    /// Of an action that is written in YAML.
    pub fn scripted(action: ScriptedAction) -> ActionKind {
        let action = Arc::new(action);
        let (of_parameters, of_outputs, of_step) = (action.clone(), action.clone(), action.clone());
        ActionKind {
            name: interned(&action.name),
            example: interned(&action.example),
            effect: action.effect(),
            idempotent_with: &[],
            read_only_with: None,
            undo: action.undo_support(),
            stays: None,
            activates_with: None,
            sets_aside: false,
            makes_empty_folders: false,
            barrier: false,
            limited: true,
            guard: false,
            local_targets: &[],
            companion: None,
            waits_unless: None,
            tested: TestMode::Stubbed,
            schema: Box::new(move || schema(of_parameters.parameters())),
            out_schema: Box::new(move || schema(of_outputs.out_parameters())),
            leaves: |_, _| Vec::new(),
            decode: Box::new(move |json| Ok(Box::new(of_step.decode(json)?))),
        }
    }
}

fn schema(json: Json) -> schemars::Schema {
    schemars::Schema::try_from(json).expect("a map is a schema")
}

/// A text for as long as the program runs. Each is kept once, however often a runbook is read.
fn interned(text: &str) -> &'static str {
    static TEXTS: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    let texts = texts.get_or_insert_default();
    match texts.get(text) {
        Some(known) => known,
        None => {
            let kept: &'static str = Box::leak(text.to_owned().into_boxed_str());
            texts.insert(kept);
            kept
        }
    }
}

/// A step of such an action, with its parameters.
struct ScriptedStep {
    action: Arc<ScriptedAction>,
    values: IndexMap<String, Json>,
    resources: Vec<String>,
    expected: Option<String>,
}

/// As a variable of a script has it.
fn text_of(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn trimmed(text: &str) -> &str {
    text.trim_end_matches('\n')
}

impl ScriptedStep {
    fn script(&self, text: &str) -> Script {
        let script = Script::new(format!("set -e; {text}"));
        self.values.iter().fold(script, |script, (name, value)| script.env(name, text_of(value)))
    }

    /// What a script that changes nothing prints.
    async fn printed(&self, cx: &Cx<'_>, part: &str, text: &str) -> Result<String, Fault> {
        let name = &self.action.name;
        let output = cx.probe(self.script(text)).await?.ok(&format!("`{part}` of {name}"))?;
        if output.truncated || output.stdout.len() > LONGEST {
            return Err(Fault::value(format!("`{part}` of {name} has printed more than {LONGEST} bytes")));
        }
        let printed = output.text().into_owned();
        let secrets = self.action.params.iter().filter(|(_, param)| param.is_secret);
        let mut secrets = secrets.map(|(name, _)| text_of(&self.values[name])).filter(|secret| !secret.is_empty());
        match secrets.any(|secret| printed.contains(&secret)) {
            true => Err(Fault::refused(format!("`{part}` of {name} has printed a secret: what it prints is kept"))),
            false => Ok(printed),
        }
    }

    /// What is there now; nothing where the action cannot tell.
    async fn present(&self, cx: &Cx<'_>) -> Result<Option<String>, Fault> {
        match &self.action.inspect {
            Some(inspect) => self.printed(cx, "inspect", inspect).await.map(Some),
            None => Ok(None),
        }
    }

    async fn outputs(&self, cx: &Cx<'_>) -> Result<Outputs, Fault> {
        let mut outputs = Outputs::new();
        for (name, script) in &self.action.outputs {
            outputs.insert(name.clone(), self.printed(cx, name, script).await?.into());
        }
        Ok(outputs)
    }

    fn summary(&self) -> String {
        self.resources.first().map_or_else(|| self.action.name.clone(), |resource| format!("make {resource} so"))
    }

    /// Refuses where what is there now is neither what the step has left nor what was there before.
    fn is_ours(&self, cx: &Cx<'_>, now: &str) -> Result<(), Fault> {
        match &self.expected {
            Some(expected) if now != expected && !cx.set_aside => {
                let message = format!("others have changed {} since: `inspect` prints {now:?}", self.summary());
                Err(Fault::refused(message).hint("`--set-aside` goes on over it"))
            }
            _ => Ok(()),
        }
    }

    async fn undone(&self, cx: &Cx<'_>, before: &Json) -> Result<(), Fault> {
        let Some(undo) = &self.action.undo else {
            return Err(Fault::refused(format!("{} cannot be rolled back", self.action.name)));
        };
        let before = before_of(before)?;
        let Some(now) = self.present(cx).await? else { return Err(Fault::value("its `inspect` is gone")) };
        if now == before {
            return Ok(());
        }
        self.is_ours(cx, &now)?;
        cx.act(self.script(undo).env(BEFORE, before)).await?.ok(&format!("`undo` of {}", self.action.name)).map(drop)
    }
}

fn before_of(before: &Json) -> Result<&str, Fault> {
    before[BEFORE].as_str().ok_or_else(|| Fault::value("what `inspect` printed before is not on record"))
}

impl Erased for ScriptedStep {
    fn command(&self) -> Option<String> {
        Some(self.action.apply.clone())
    }

    fn resources(&self) -> Vec<String> {
        self.resources.clone()
    }

    fn is_stable(&self) -> bool {
        true
    }

    fn inspect<'a>(&'a self, cx: &'a Cx<'_>) -> BoxFuture<'a, Result<ErasedSeen, Fault>> {
        Box::pin(async move {
            let now = self.present(cx).await?;
            let diff = match (&now, &self.expected) {
                (Some(now), Some(expected)) if now == expected => {
                    return Ok(ErasedSeen::Clean(self.outputs(cx).await?));
                }
                (Some(now), Some(expected)) => files::unified(&format!("{now}\n"), &format!("{expected}\n")),
                _ => None,
            };
            let before = now.map_or(Json::Null, |now| json!({ BEFORE: now }));
            Ok(ErasedSeen::Change(ErasedChange { summary: self.summary(), diff, before }))
        })
    }

    fn apply<'a>(&'a self, cx: &'a Cx<'_>, _: &'a Json) -> BoxFuture<'a, Result<Outputs, Fault>> {
        Box::pin(async move {
            let (script, name) = (self.script(&self.action.apply), &self.action.name);
            match self.action.reads {
                true => cx.probe(script).await?.ok(name)?,
                false => cx.act(script).await?.ok(name)?,
            };
            if let (Some(now), Some(expected)) = (self.present(cx).await?, &self.expected)
                && now != *expected
            {
                let message = format!("`apply` of {name} has ended, and `inspect` prints {now:?}, not {expected:?}");
                return Err(Fault::value(message));
            }
            self.outputs(cx).await
        })
    }

    fn undo<'a>(&'a self, cx: &'a Cx<'_>, before: &'a Json) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            match self.action.reads {
                true => Ok(()),
                false => self.undone(cx, before).await,
            }
        })
    }

    fn undo_own<'a>(&'a self, _: &'a Cx<'_>, _: &'a Json) -> BoxFuture<'a, Result<bool, Fault>> {
        Box::pin(async { Ok(false) })
    }

    fn undo_carries(&self, _: &Json, _: &str) -> Result<Option<String>, Fault> {
        Ok(None)
    }

    fn is_undone<'a>(&'a self, cx: &'a Cx<'_>, before: &'a Json) -> BoxFuture<'a, Result<Option<bool>, Fault>> {
        Box::pin(async move {
            let now = self.present(cx).await?;
            Ok(now.map(|now| before_of(before).is_ok_and(|before| before == now)))
        })
    }

    fn is_back(&self, before: &Json, now: &Json) -> Result<bool, Fault> {
        Ok(before == now)
    }

    fn undo_writes(&self, _: &Cx<'_>, _: &Json) -> Result<Vec<String>, Fault> {
        Ok(self.resources.iter().filter(|resource| path_of(resource).is_some()).cloned().collect())
    }
}
