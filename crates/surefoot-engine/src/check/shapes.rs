//! The keys of a runbook, of its steps and of what is within them: read by the check, printed as its schema.

use super::checked::ParamType;
use crate::load::{Field, Form, NAME, SCALAR, Shape, fields};

/// A runbook.
pub static RUNBOOK: Shape = Shape {
    name: "runbook",
    what: "a runbook",
    about: "A procedure: its parameters, the host roles that it needs, its steps.",
    groups: &[fields! {
        required "runbook": RUNBOOK_NAME, "etcd/restore-cluster",
            "Its name, with `/` between parts.";
        optional "summary": Form::Literal, "Rebuild every member from one snapshot",
            "One line for people.";
        optional "requires": VERSION, "\">=0.1\"",
            "The version of surefoot that it needs at least.";
        optional "params": Form::Map(NAME, &Form::Declaration(&PARAM)), "{ unit: { type: string, default: etcd } }",
            "What a run is given: `-p NAME=VALUE`, `-P FILE`. Read as `{{ params.NAME }}`.";
        optional "hosts": Form::Map(NAME, &Form::Either(&[Form::Null, Form::Shape(&ROLE)])), "{ members: { min: 3 } }",
            "Its roles. Each is bound to the inventory's group of that name, or by `--bind ROLE=HOST,...`.";
        optional "vars": Form::Map(NAME, &Form::Any), "{ token: \"restore-{{ run.id }}\" }",
            "Names for templates, made when they are read: `{{ vars.NAME }}`. They may read parameters, hosts and \
             steps.";
        optional "defaults": Form::Shape(&DEFAULTS), "{ timeout: 90s }",
            "Keys that every step has which does not have them itself.";
        required "steps": Form::Some(&Form::Either(&[Form::Step(&STEP), Form::Shape(&ROLL), Form::Shape(&USE_STEP)])), "[{ id: stop, on: members, service: { unit: etcd, state: stopped } }]",
            "What is done, from top to bottom: a step waits for all above it unless its `needs` says otherwise.";
        optional "verify": Form::List(&Form::Step(&VERIFY)), "[{ etcd.consistent: { members: members } }]",
            "Steps that only look: what must hold when it has worked. They run after all others.";
        optional "finally": Form::List(&Form::Step(&FINALLY)), "[{ id: told, sh: logger restore is over }]",
            "Steps that run when the run ends: done, stopped by a failure, or rolled back; not when it is interrupted or \
             an outcome is unknown. Again after a resume. They are never undone; each has its turn, and a failure \
             of theirs makes a run fail that was done.";
        optional "out": Form::Map(NAME, &Form::Any), "{ stopped: \"{{ steps.stop.changed }}\" }",
            "What it gives, once all its steps are done. A run shows it at its end: a list of maps with the same keys \
             as a table. Another runbook that uses it reads `{{ steps.ID.out.NAME }}`.";
        optional "on_failure": Form::OneOf(&["stop", "rollback"]), "rollback",
            "`stop` (the default): nothing new starts, what runs finishes. `rollback`: what was done is undone, to \
             the last checkpoint or to the start.";
    }],
};

const RUNBOOK_NAME: Form = Form::Pattern {
    pattern: "^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$",
    wanted: "Letters, digits, -, _ and . are wanted, with / between.",
    types: SCALAR,
};
const VERSION: Form = Form::Pattern {
    pattern: r"^\s*>=\s*[0-9]+(\.[0-9]+)*\s*$",
    wanted: "A version is wanted, such as \">=0.1\".",
    types: &["string"],
};
const FILE: Form = Form::Pattern {
    pattern: r"^(?![\s\S]*(\{\{|\{%|\{#))",
    wanted: "A file is wanted. No template may stand here.",
    types: &["string"],
};
const SHARE: Form = Form::Pattern {
    pattern: r"%|\{\{",
    wanted: "A number from 1 on or a percentage such as 25% is wanted.",
    types: &["string"],
};
const ID: Form = Form::Pattern {
    pattern: NAME,
    wanted: "A name of a to z, digits and _ is wanted, a letter first.",
    types: &["string", "boolean"],
};

/// An action that is written in YAML.
pub static ACTION: Shape = Shape {
    name: "action",
    what: "an action",
    about: "An action made of scripts, in `actions/NAME.yaml` beside the runbooks whose steps use it. Each script is run by \
            the host's `sh -e` and gets every parameter as a variable of that name.",
    groups: &[fields! {
        required "action": ACTION_NAME, "sysctl",
            "Its name, which is that of its file: the key in a step.";
        optional "summary": Form::Literal, "A kernel parameter.",
            "What it does: its first sentence is its line in `surefoot actions`.";
        optional "params": Form::Map(NAME, &Form::Declaration(&PARAM)), "{ name: { type: string }, value: { type: string } }",
            "What a step gives it. A parameter without a default must be given.";
        optional "reads": Form::Bool, "true",
            "Its author's word that `apply` changes nothing: a plan runs it.";
        optional "inspect": Form::Literal, "sysctl -n \"$name\"",
            "Prints what is there now, and changes nothing: at most 64 KiB, and no secret. `undo` gets it as `$before`.";
        optional "expect": Form::Text, "\"{{ params.value }}\"",
            "What `inspect` prints once it is as it should be, without its last line break. With it the action \
             looks first: it changes only what is not yet so, plans show the difference, and `resume` finds drift.";
        required "apply": Form::Literal, "sysctl -w \"$name=$value\"",
            "Makes the change; may be repeated.";
        optional "undo": Form::Literal, "sysctl -w \"$name=$before\"",
            "Puts back what `inspect` printed before the change (`$before`). It does not run where `inspect` prints neither \
             that nor what is expected: others have changed it since.";
        optional "resources": Form::List(&Form::Text), "[\"sysctl {{ params.name }}\"]",
            "What it makes so on its host: paths, or a word and a name. Of tasks that touch the same, the last one counts.";
        optional "outputs": Form::Map(NAME, &Form::Literal), "{ value: \"sysctl -n \\\"$name\\\"\" }",
            "A script for each value that later steps read as `steps.ID.out.NAME`: what it prints.";
        optional "example": Form::Literal, "\"sysctl: { name: vm.swappiness, value: '10' }\"",
            "A step, for its page in `surefoot actions NAME`.";
    }],
};

const ACTION_NAME: Form = Form::Pattern {
    pattern: r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$",
    wanted: "A name of a to z, digits and _ is wanted, a letter first, with dots between parts.",
    types: &["string", "boolean"],
};

/// A declared parameter.
pub static PARAM: Shape = Shape {
    name: "parameter",
    what: "a parameter",
    about: "A value that each run is given.",
    groups: &[fields! {
        required "type": Form::OneOf(&ParamType::WORDS), "string",
            "What it is. `file` is a file on this machine that exists; `duration` a length of time such as `90s`. \
             A `secret` is given by its source: `env:NAME`, `file:PATH`, `cmd:COMMAND`, `generate:PATH` (made once for each run, and kept there), or `ask`.";
        optional "default": Form::Any, "etcd",
            "Its value where a run gives none. Without it, a run must give one. A relative `file` starts from the \
             runbook's folder.";
        optional "summary": Form::Literal, "Snapshot file on this machine",
            "One line for people.";
    }],
};

/// A role.
pub static ROLE: Shape = Shape {
    name: "role",
    what: "a role",
    about: "Hosts that the runbook needs, by the part that they play in it.",
    groups: &[fields! {
        optional "min": Form::Whole { least: 0, most: u64::MAX }, "3",
            "How many hosts at least; 1 by default. 0 makes it optional: no hosts, no tasks.";
        optional "max": Form::Whole { least: 1, most: u64::MAX }, "1",
            "How many hosts at most. With 1, its outputs are read as those of one host.";
        optional "shared": Form::Bool, "true",
            "Whether its hosts may be in other roles, too.";
        optional "unreachable": Form::OneOf(&["skip"]), "skip",
            "`skip`: a host of it that cannot be reached as the run begins is left out of all of it, by the operator's \
             consent, and named at the end. Its tasks are `unreachable`.";
        optional "summary": Form::Literal, "Every machine that will be a member",
            "One line for people.";
    }],
};

/// What steps say that do not say it themselves.
pub static DEFAULTS: Shape = Shape {
    name: "step-defaults",
    what: "`defaults`",
    about: "Keys of a step: each step has those that it does not have itself and that mean something for it. A key of its \
            own replaces the default; one without a value means none.",
    groups: &[EVERY_STEP, PLACED, LISTED, PROBED, WAITING, ACTING],
};

/// A step of a runbook.
pub static STEP: Shape = Shape {
    name: "step",
    what: "a step",
    about: "One action, and when, where and how it is done.",
    groups: &[NAMED, EVERY_STEP, PLACED, LISTED, PROBED, WAITING, ACTING],
};

/// A list of steps that run on some hosts at a time.
pub static ROLL: Shape = Shape {
    name: "roll",
    what: "a roll",
    about: "Steps that run in order on some hosts, then on the next, with a gate between. It stops at the first host \
            that fails; the hosts after it are not touched.",
    groups: &[
        WAITING,
        fields! {
            optional "id": ID, "roll",
                "Name used by `needs`, templates and the journal: the hosts of the newest batch are \
                 `steps.NAME.out.hosts`.";
            optional "title": Form::Text, "Restart the members",
                "One line for people.";
            required "on": Form::Literal, "members",
                "A role, group or host: the hosts of the roll.";
            optional "when": Form::Expression, "params.restart",
                "False means that the whole roll is skipped. Decided before its first step.";
            optional "vars": Form::Map(NAME, &Form::Any), "{ behind: \"{{ batch.done | length }}\" }",
                "Names for the templates of its steps: `{{ vars.NAME }}`.";
            optional "become": Form::User, "etcd",
                "The user that its steps run as, where they do not say another.";
            optional "on_failure": Form::OneOf(&["stop", "rollback"]), "rollback",
                "`stop` (the default), or `rollback`: what was done to the failed batch is undone; batches done \
                 stay.";
            required "rolling": Form::Shape(&ROLLING), "{ batch: 1 }",
                "How many hosts at a time, in which order, and what must hold between.";
            required "steps": Form::Some(&Form::Step(&BATCH_STEP)), "[{ service: { unit: app, state: restarted } }]",
                "What is done to each batch, on its hosts. `batch.hosts`, `batch.index` and `batch.done` are in \
                 templates.";
        },
    ],
};

/// What is under `rolling`.
pub static ROLLING: Shape = Shape {
    name: "rolling",
    what: "`rolling`",
    about: "How a roll goes.",
    groups: &[fields! {
        optional "batch": Form::Either(&[Form::Whole { least: 1, most: u64::MAX }, SHARE]), "1",
            "How many hosts at a time; 1 by default. Or a percentage, such as `25%`: as many as are full, and one at \
             least.";
        optional "first": Form::Either(&[Form::Text, Form::List(&Form::Text)]), "etcd-2",
            "The names of hosts that go first. Asked again before each batch, over the hosts not yet done.";
        optional "last": Form::Either(&[Form::Text, Form::List(&Form::Text)]), "\"{{ steps.now.out.leader }}\"",
            "The names of hosts that go last. Asked again before each batch, over the hosts not yet done.";
        optional "gate": Form::List(&Form::Step(&GATE_STEP)), "[{ etcd.health: { members: members } }]",
            "Steps that only look: before the first batch and after each, forward and back. `steps.NAME.out` is the \
             newest.";
    }],
};

/// A step of a roll.
pub static BATCH_STEP: Shape = Shape {
    name: "batch-step",
    what: "a step",
    about: "A step on the hosts of a batch.",
    groups: &[NAMED, EVERY_STEP, LISTED, PROBED, ACTING],
};

/// A step of a roll's gate.
pub static GATE_STEP: Shape = Shape {
    name: "gate-step",
    what: "a step",
    about: "A step that only looks, between the batches of a roll.",
    groups: &[NAMED, EVERY_STEP, PLACED],
};

/// A step that uses another runbook.
pub static USE_STEP: Shape = Shape {
    name: "use-step",
    what: "a step with `use`",
    about: "Another runbook as a step: all its steps, then those of its `verify`. It sees nothing of this one; this one \
            sees only its `out`.",
    groups: &[fields! {
        required "use": FILE, "../lib/stop-unit.yaml",
            "The other runbook's file, from this one's folder; or a name that `surefoot runbooks` lists, such as `etcd/backup`.";
        optional "with": Form::Map(NAME, &Form::Any), "{ unit: \"{{ params.unit }}\" }",
            "Its parameters. What decides over hosts or `for_each` in it must be known before the run; the rest may read \
             steps.";
        optional "bind": Form::Map(NAME, &Form::Either(&[Form::Text, Form::List(&Form::Text)])), "{ members: web }",
            "The hosts of its roles: roles, groups or hosts of here. A role that is left out has those of the same name.";
        optional "id": ID, "stop",
            "Its name. The used runbook's steps are called by it, a dot, and their own.";
        optional "title": Form::Text, "Stop {{ params.unit }}",
            "One line for people.";
        optional "needs": Form::List(&Form::Either(&[Form::Literal, Form::Shape(&NEED)])), "[stop]",
            "The steps that all of it waits for. Without it: every step above it. Those that need it wait for all of it.";
        optional "when": Form::Expression, "steps.look.changed",
            "False means that all of it is skipped.";
        optional "vars": Form::Map(NAME, &Form::Any), "{ unit: etcd }",
            "Names for `with`, `bind` and `when`.";
        optional "on_failure": Form::OneOf(&["stop", "rollback"]), "rollback",
            "What follows when a step of it fails. `rollback`: all that it did is undone. By default what the used \
             runbook says of itself.";
    }],
};

/// A step of `verify`.
pub static VERIFY: Shape = Shape {
    name: "verify-step",
    what: "a step",
    about: "A step that only looks.",
    groups: &[NAMED, EVERY_STEP, PLACED, LISTED],
};

/// A step of `finally`.
pub static FINALLY: Shape = Shape {
    name: "finally-step",
    what: "a step",
    about: "A step that runs once the run is over, and is never undone.",
    groups: &[NAMED, EVERY_STEP, PLACED, LISTED, PROBED],
};

/// A step of an `undo`, or a probe: where its owner is.
pub static INNER: Shape = Shape {
    name: "inner-step",
    what: "a step",
    about: "A step on the hosts of the step that it belongs to.",
    groups: &[NAMED, EVERY_STEP],
};

const NAMED: &[Field] = fields! {
    optional "id": ID, "stop",
        "Name used by `needs`, templates and the journal. A step that is opaque or has an `undo` must have one.";
};

const EVERY_STEP: &[Field] = fields! {
    optional "title": Form::Text, "Stop {{ params.unit }}",
        "One line for people.";
    optional "when": Form::Expression, "params.force or steps.look.changed",
        "False means that the task is skipped.";
    optional "vars": Form::Map(NAME, &Form::Any), "{ path: \"/srv/{{ host.name }}\" }",
        "Names for this step's templates: `{{ vars.NAME }}`.";
    optional "become": Form::User, "etcd",
        "The user to run as, by sudo. `true` is root. The steps of its `undo` and `reconcile` run as the same.";
    optional "env": Form::Map("^[A-Za-z_][A-Za-z0-9_]*$", &Form::Text), "{ ETCDCTL_API: \"3\" }",
        "Environment variables of its commands. Values that may hold anything belong here, not into a command's \
         text.";
    optional "stdin": Form::Text, "\"{{ vars.config | tojson }}\"",
        "What its command reads.";
    optional "cwd": Form::Text, "/srv",
        "The folder that its command starts in.";
    optional "timeout": Form::Duration, "90s",
        "Past it the step is killed, with every process that it started. With `retry` it is for each attempt.";
    optional "retry": Form::Shape(&RETRY), "{ for: 60s, every: 500ms }",
        "Repeats failures, never unknowns. On an opaque change it needs `reconcile`.";
    optional "reads": Form::Bool, "true",
        "`true` on `sh` or `exec`: your word that it changes nothing. A plan may run it, it may be repeated, it \
         needs no undo.";
    optional "secret": Form::Bool, "true",
        "Its outputs are secret: masked wherever they would show, and not on record. What it prints is not kept.";
};

const PLACED: &[Field] = fields! {
    optional "on": Form::Literal, "members",
        "A role, group or host: one task on each of its hosts. Without it: one task on `controller`, this machine.";
};

const LISTED: &[Field] = fields! {
    optional "for_each": Form::Either(&[Form::List(&Form::Any), Form::Template]), "[a, b]",
        "A list known before the run: one task for each `{{ item }}`; with `on`, hosts times items.";
};

const PROBED: &[Field] = fields! {
    optional "reconcile": Form::Step(&INNER), "{ sh: id app }",
        "A probe that only looks, and tells whether an interrupted step took effect: exit code 0 it did, 1 it did \
         not.";
};

const WAITING: &[Field] = fields! {
    optional "needs": Form::List(&Form::Either(&[Form::Literal, Form::Shape(&NEED)])), "[stop, { step: push, host: same }]",
        "The steps that it waits for. Without it: every step above it, on every host. `[]` starts at once.";
};

const ACTING: &[Field] = fields! {
    optional "undo": Form::Either(&[Form::Some(&Form::Step(&INNER)), Form::Step(&INNER)]), "[{ sh: userdel app }]",
        "Steps that take this one back, instead of what the action knows by itself. They must bear a half-done \
         step.";
    optional "irreversible": REASON, "the old data is gone",
        "The reason why nothing can undo it: a point of no return. All above finishes first, nothing below \
         starts before.";
    optional "on_failure": Form::OneOf(&["stop", "continue", "rollback"]), "rollback",
        "`stop` (the default): nothing new starts anywhere, what runs finishes. `rollback`: the step is undone. \
         `continue`: as if nothing had happened.";
};

/// Why nothing can take a step back.
const REASON: Form = Form::Pattern {
    pattern: r"^(?!([Yy][Ee][Ss]|[Nn][Oo]|[Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])$)(?![\s\S]*(\{\{|\{%|\{#))",
    wanted: "The reason, as text without templates; a step that can be undone does not have the key.",
    types: &["string"],
};

/// An entry of `needs`.
pub static NEED: Shape = Shape {
    name: "need",
    what: "an entry of `needs`",
    about: "A step to wait for.",
    groups: &[fields! {
        required "step": Form::Literal, "push",
            "The step's id.";
        optional "host": Form::OneOf(&["same"]), "same",
            "Waits for it on the same host only.";
    }],
};

/// A step's `retry`.
pub static RETRY: Shape = Shape {
    name: "retry",
    what: "`retry`",
    about: "How failures are repeated: `attempts`, `for` or both bound it.",
    groups: &[fields! {
        optional "attempts": Form::Whole { least: 1, most: u64::MAX }, "5",
            "How many attempts in all.";
        optional "for": Form::Either(&[Form::Duration, Form::Template]), "60s",
            "For how long, over all attempts.";
        optional "every": Form::Duration, "500ms",
            "The pause between two attempts; 1s by default.";
        optional "backoff": Form::Number { least: 1.0 }, "2",
            "The pause grows by this factor each time.";
        optional "until": Form::Expression, "out.code == 0",
            "What must hold of this attempt's `out`.";
    }],
};
