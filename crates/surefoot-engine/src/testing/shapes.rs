//! The keys of a test file: read by `read`, printed as its schema.

use super::suite::ExpectedOutcome;
use crate::load::{Field, Form, INVENTORY, NAME, Shape, fields};

/// A test file.
pub static TEST: Shape = Shape {
    name: "test",
    what: "a test file",
    about: "How a runbook behaves, told without hosts: what each step is answered, and what then must happen.",
    groups: &[fields! {
        optional "runbook": Form::Text, "page.yaml",
            "The runbook that is tested, from this file's folder. Without it NAME.test.yaml tests NAME.yaml.";
        optional "inventory": Form::Shape(&INVENTORY), "{ hosts: { web-1: {} }, groups: { web: [web-1] } }",
            "Its hosts, as in any inventory. None is reached.";
        optional "params": Form::Map(NAME, &Form::Any), "{ text: Hello }",
            "What the runbook is run with. A secret's value stands here itself, made up, and is masked like a real one. \
             Files need not be there.";
        optional "bind": Form::Map(NAME, &Form::Either(&[HOSTS, Form::List(&HOSTS)])), "{ web: [web-1] }",
            "The hosts of the runbook's roles, where they are not the groups of the same names.";
        optional "answers": ANSWERS, "{ running@web-2: { fails: it is inactive } }",
            "What steps are answered in every case. A case's own answers win.";
        required "cases": Form::Some(&Form::Shape(&CASE)), "[{ case: it works }]",
            "The cases, each a run from its start.";
    }],
};

const HOSTS: Form =
    Form::Pattern { pattern: "", wanted: "The name of a group or a host is wanted.", types: &["string"] };

pub static CASE: Shape = Shape {
    name: "case",
    what: "a case",
    about: "One run of the runbook, and what must happen.",
    groups: &[
        fields! {
            required "case": Form::Text, "a server that does not run is left alone",
                "What is true where the case passes. Each case has its own.";
            optional "params": Form::Map(NAME, &Form::Any), "{ text: Welcome }",
                "Parameters of this case. They win over those of the file.";
            optional "unreachable": Form::List(&Form::Text), "[web-2]",
                "Hosts that cannot be reached. The run must be able to do without them.";
            optional "then": Form::List(&Form::Shape(&THEN)), "[{ do: rollback, expect: { undone: [page] } }]",
                "What the operator does next, one after the other.";
        },
        PLAYED,
    ],
};

pub static THEN: Shape = Shape {
    name: "then",
    what: "what the operator does next",
    about: "`resume` or `rollback`, and what must happen. Answers that were given before still hold.",
    groups: &[
        fields! {
            required "do": Form::OneOf(DOINGS), "rollback",
                "As the command of that name.";
            optional "to": Form::Text, "staged",
                "With `rollback`: the checkpoint to roll back to; the start without it.";
        },
        PLAYED,
    ],
};

/// What an operator can do with a run that has ended.
pub(super) const DOINGS: &[&str] = &["resume", "rollback"];

const PLAYED: &[Field] = fields! {
    optional "answers": ANSWERS, "{ page: clean, restart@web-2: { fails: the unit is masked } }",
        "What steps are answered. A step that is not named does its work.";
    optional "expect": Form::Shape(&EXPECT), "{ outcome: failed, never: [restart] }",
        "What must happen. What is not named is not looked at, but for the outcome.";
};

/// Steps or tasks to their answers.
const ANSWERS: Form = Form::Map(
    "",
    &Form::Either(&[
        Form::OneOf(WORDS),
        Form::Shape(&ANSWER),
        Form::Some(&Form::Either(&[Form::OneOf(WORDS), Form::Shape(&ANSWER)])),
    ]),
);

/// Answers that are one word.
pub(super) const WORDS: &[&str] = &["done", "clean", "yes", "no"];

pub static ANSWER: Shape = Shape {
    name: "answer",
    what: "an answer",
    about: "What a step finds and gives. In a list of answers each is for one attempt; the last stays.\n\nThe key is \
            STEP, STEP@HOST or STEP@HOST[ITEM]; the more exact one counts. An answer can be one word: `done` (it does \
            its work, as without an answer), `clean` (there is nothing to do), `yes` or `no` to an approval.",
    groups: &[fields! {
        optional "exit": Form::Whole { least: 0, most: 255 }, "3",
            "Of `sh` and `exec`: the exit code of the command.";
        optional "stdout": Form::Text, "\"{\\\"free\\\": 10}\"",
            "Of `sh` and `exec`: what it prints.";
        optional "stderr": Form::Text, "no such file",
            "Of `sh` and `exec`: what it prints as errors.";
        optional "out": Form::Map("", &Form::Any), "{ leader: etcd-2 }",
            "Of other actions: outputs. What is not here is not defined.";
        optional "clean": Form::Bool, "true",
            "There is nothing to do.";
        optional "fails": Form::Text, "the unit does not start",
            "It fails in the middle of its work, and says so.";
        optional "refuses": Form::Text, "the file is not there",
            "It fails as it looks, before it changes anything.";
        optional "unknown": Form::Text, "the host was switched off",
            "Its host goes away in the middle: the outcome is not known.";
        optional "took_effect": Form::Bool, "true",
            "With `unknown`: what the step's `reconcile` finds. Without it, it cannot tell.";
        optional "takes": Form::Duration, "90s",
            "How long it takes, for `timeout` and `retry`. No test waits.";
        optional "undo_fails": Form::Text, "the disk is full",
            "Taking it back fails, and says so.";
    }],
};

pub static EXPECT: Shape = Shape {
    name: "expect",
    what: "`expect`",
    about: "What must happen. A step's name stands for all its tasks; STEP@HOST for one.",
    groups: &[fields! {
        optional "outcome": Form::OneOf(ExpectedOutcome::WORDS), "failed",
            "How it ends: `done` where nothing is said, `rolled_back` after `do: rollback`. `refused`: the point of no \
             return lies in between.";
        optional "ran": Form::List(&Form::Text), "[running, page, restart]",
            "All that ran, in the order in which each began. Checkpoints are not counted.";
        optional "order": Form::List(&Form::Text), "[page, restart]",
            "These ran, in this order, whatever ran beside them.";
        optional "never": Form::List(&Form::Text), "[restart]",
            "None of these ran.";
        optional "skipped": Form::List(&Form::Text), "[restart]",
            "All whose `when` was false.";
        optional "undone": Form::List(&Form::Text), "[restart, page]",
            "All that was undone, in its order.";
        optional "kept": Form::List(&Form::Text), "[told]",
            "All that the rollback passed and left as it was.";
        optional "failed": Form::Map("", &Form::Text), "{ running@web-2: inactive }",
            "All that failed, could not be undone, or is unknown, each with a part of what it said.";
        optional "commands": Form::Map("", &Form::Text), "{ counted: echo one >> /srv/pages/count }",
            "The text of commands, as it was sent. Secrets are masked.";
        optional "parameters": Form::Map("", &Form::Map("", &Form::Any)), "{ page: { path: /srv/pages/index.html } }",
            "Parameters that actions were given. Those that are not named are not looked at.";
        optional "out": Form::Map("", &Form::Map("", &Form::Any)), "{ uptime: { code: 0 } }",
            "Outputs of steps. Those that are not named are not looked at.";
    }],
};
