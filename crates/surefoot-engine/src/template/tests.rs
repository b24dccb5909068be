use super::*;
use crate::model::{Event, FileId, RunState, Span, Stamped, TaskEvent, TaskName, TextPosition};
use crate::secret::UnredactedOutputs;
use minijinja::Value;
use serde_json::json;
use std::sync::{Arc, RwLock};

fn place() -> TextPosition {
    TextPosition::whole(Span::new(FileId(0), 0..0))
}

fn template(text: &str) -> Template {
    Template::parse(text, place()).unwrap()
}

fn scope() -> Scope {
    let vars = [("token", "t-{{ params.n }}"), ("again", "{{ vars.token }}!"), ("broken", "{{ params.gone }}")];
    let vars = vars.map(|(name, text)| (name.to_owned(), Templated::Text(template(text))));
    let groups = [("all", vec!["a", "b"]), ("a", vec!["a"]), ("b", vec!["b"])];
    let groups = groups.map(|(name, hosts)| (name.to_owned(), hosts.into_iter().map(Into::into).collect()));
    Scope::new(Arc::new(vars.into_iter().collect()), Arc::new(groups.into_iter().collect())).with(
        "params",
        Value::from(minijinja::value::Serde(json!({"n": 7, "big": 17873070359826556425u64, "on": true}))),
    )
}

fn render(text: &str) -> Result<serde_json::Value, TemplateFault> {
    template(text).render(&scope())
}

#[test]
fn a_comparison_is_a_test_by_its_sign() {
    for sign in ["==", "!=", "<", "<=", ">", ">="] {
        assert!(has_test(sign));
        assert!(render(&format!("{{{{ [1, 2] | select('{sign}', 1) | list }}}}")).is_ok(), "{sign}");
    }
}

#[test]
fn a_whole_expression_keeps_its_type() {
    assert_eq!(render("{{ params.n }}"), Ok(json!(7)));
    assert_eq!(render("{{ params.big }}"), Ok(json!(17873070359826556425u64)));
    assert_eq!(render("{{- [1, params.on] -}}"), Ok(json!([1, true])));
    assert_eq!(render("{{ {'a': 1} }}"), Ok(json!({"a": 1})));
}

#[test]
fn text_around_an_expression_makes_text() {
    assert_eq!(render("n={{ params.n }} {{ params.on }}\n"), Ok(json!("n=7 true\n")));
    assert!(render("l={{ [1] }}").is_err(), "a list has no text");
}

#[test]
fn vars_are_read_late_and_through_one_another() {
    assert_eq!(render("{{ vars.again }}"), Ok(json!("t-7!")));
    assert!(render("{{ vars.broken }}").unwrap_err().message.contains("vars.broken"));
}

#[test]
fn an_undefined_name_is_a_fault_with_its_place() {
    let text = "a {{ params.gone }}";
    let place = TextPosition { span: Span::new(FileId(0), 10..29), lines: Some(Arc::from([10u32])) };
    let fault = Template::parse(text, place).unwrap().render(&scope()).unwrap_err();
    assert_eq!(fault.span.range(), 15..26);
}

#[test]
fn only_a_boolean_holds() {
    let holds = |text: &str| Expr::parse(text, place()).unwrap().holds(&scope());
    assert_eq!(holds("params.on and params.n > 3"), Ok(true));
    assert!(holds("params.n").is_err());
    assert!(holds("nope").is_err());
    let may = |text: &str| Expr::parse(text, place()).unwrap().may_be_bool;
    assert!(may("not params.n") && may("params.x") && may("a in b"));
    assert!(!may("1 + 2") && !may("'true'") && !may("a | length"));
}

#[test]
fn references_have_paths_and_inner_names_are_none() {
    let t = template("{% for h in hosts.members %}{{ steps.config.on[h.name].out.name }}{{ loop.index }}{% endfor %}");
    let paths: Vec<String> = t
        .refs
        .iter()
        .map(|r| (0..r.path.len()).map(|i| r.name(i).unwrap_or("*")).collect::<Vec<_>>().join("."))
        .collect();
    assert_eq!(paths, ["hosts.members", "steps.config.on.*.out.name"]);
    assert_eq!(&t.source[t.refs[1].range.clone()], "steps.config.on[h.name].out.name");
}

#[test]
fn an_attribute_of_all_is_a_reference_to_an_output() {
    let t = template("{{ steps.a.all | selectattr('out.up') | list | map(attribute='out.peer.name') | max }}");
    let taken: Vec<&str> = t.refs.iter().map(|r| &t.source[r.range.clone()]).collect();
    assert_eq!(taken, ["steps.a.all", "'out.up'", "'out.peer.name'"]);
    assert_eq!((t.refs[2].name(1), t.refs[2].name(5), t.refs[2].name(6)), (Some("a"), Some("peer"), Some("name")));
}

#[test]
fn filters_tests_and_functions_are_found_and_known_or_not() {
    let t = template("{{ a | map('x') | ceil_to(3) is even and range(3) }}");
    assert_eq!(t.calls.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["map", "x", "ceil_to", "even", "range"]);
    assert!(has_filter("ceil_to") && has_filter("map") && !has_filter("celi_to"));
    assert!(has_test("even") && !has_test("evne") && has_function("range") && !has_function("rnage"));
    assert_eq!(known_filters().iter().find(|f| !has_filter(f)), None);
    assert_eq!(known_tests().iter().find(|t| !has_test(t)), None);
}

#[test]
fn settling_renders_what_is_known_and_leaves_the_rest() {
    let late = Templated::Map(vec![
        ("a".into(), Templated::Text(template("{{ params.n }}"))),
        ("b".into(), Templated::Text(template("{{ run.id }}"))),
    ]);
    let settled = late.simplify(&scope(), &|r| r.name(0) == Some("params")).unwrap();
    assert_eq!(settled.shown(), json!({"a": 7, "b": "{{ run.id }}"}));
    assert!(settled.as_value().is_none());
}

#[test]
fn steps_show_this_hosts_outputs_and_every_hosts() {
    let tasks: Vec<TaskName> = ["look@a", "look@b"].iter().map(|t| t.parse().unwrap()).collect();
    let mut state = RunState::default();
    let mut seq = 0;
    let mut apply = |event| {
        state.apply(&Stamped { seq, at: jiff::Timestamp::UNIX_EPOCH, event }).unwrap();
        seq += 1;
    };
    apply(Event::RunStarted {
        run: "r".into(),
        runbook: "x".into(),
        version: "0".into(),
        operator: "o".into(),
        inputs: Default::default(),
        tasks: tasks.clone(),
    });
    apply(Event::Task { task: tasks[1].clone(), what: TaskEvent::Started { attempt: 1 } });
    let what = TaskEvent::Changing { summary: "look".into(), undo: None };
    apply(Event::Task { task: tasks[1].clone(), what });
    let out = json!({"name": "bee"}).as_object().unwrap().clone();
    apply(Event::Task {
        task: tasks[1].clone(),
        what: TaskEvent::Done { changed: true, out: out.into(), redacted: false },
    });
    let view = |host: &str| {
        let steps = Steps {
            state: Arc::new(RwLock::new(state.clone())),
            tasks: Arc::new([("look".into(), StepTasks { names: tasks.clone(), again: false })].into_iter().collect()),
            prefix: String::new(),
            host: host.into(),
            withheld: UnredactedOutputs::default(),
            unsettled: None,
        };
        scope().with("steps", steps.value())
    };
    let render = |host: &str, text: &str| template(text).render(&view(host));
    assert_eq!(render("b", "{{ steps.look.out.name }}"), Ok(json!("bee")));
    assert_eq!(render("a", "{{ steps.look.on['b'].out.name }}"), Ok(json!("bee")));
    assert!(render("a", "{{ steps.look.out.name }}").is_err());
    assert_eq!(
        render("a", "{{ steps.look.all | selectattr('out.name', 'defined') | map(attribute='host') | list }}"),
        Ok(json!(["b"]))
    );
    assert_eq!(render("controller", "{{ steps.look.changed }}"), Ok(json!(true)));
}

#[test]
fn hosts_are_resolved_from_groups_names_and_records() {
    let resolve = |value: serde_json::Value| Templated::Hosts(Box::new(Templated::Value(value))).render(&scope());
    assert_eq!(resolve(json!("all")), Ok(json!(["a", "b"])));
    assert_eq!(resolve(json!(["b", "all"])), Ok(json!(["b", "a"])));
    assert_eq!(resolve(json!([{"host": "b", "out": {}}])), Ok(json!(["b"])));
    assert!(resolve(json!("nobody")).is_err() && resolve(json!(3)).is_err());
}

#[test]
fn a_relative_path_starts_from_its_folder() {
    let path = |text: &str| {
        Templated::Path(Box::new(Templated::Text(template(text))), Some(Arc::from(std::path::Path::new("/rb"))))
    };
    assert_eq!(path("f{{ params.n }}").render(&scope()), Ok(json!("/rb/f7")));
    assert_eq!(path("/x{{ params.n }}").render(&scope()), Ok(json!("/x7")));
}
