//! What keys a map has, and what may stand under each: one table for those who read the map and for its schema.
//!
//! A table says what editors can know. It reads nothing: what a value means, and all that takes more than one value to
//! know, is its reader's.

/// A map of fixed keys.
#[derive(Debug)]
pub struct Shape {
    /// Its name among the definitions of a schema: `host`.
    pub name: &'static str,
    /// As messages name it: `a host`.
    pub what: &'static str,
    pub about: &'static str,
    /// In groups, which shapes may share.
    pub groups: &'static [&'static [Field]],
}

/// A key of a map.
#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    /// What may stand under it. Nothing at all counts as not given.
    pub form: Form,
    /// A value, as YAML.
    pub example: &'static str,
    /// For people: what it promises.
    pub about: &'static str,
    pub required: bool,
}

/// What may stand under a key.
#[derive(Debug)]
pub enum Form {
    /// Text that is known before the run: no template.
    Literal,
    /// Such a text of this pattern; what is wanted, in a sentence. Scalars of these types can be one.
    Pattern {
        pattern: &'static str,
        wanted: &'static str,
        types: &'static [&'static str],
    },
    /// Text of this pattern that does not begin with a dash: ssh would take it for an option.
    Word(&'static str),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Text, in which templates may stand.
    Text,
    /// Any value, in whose texts templates may stand.
    Any,
    Bool,
    /// A user's name, or `true` for root.
    User,
    /// A whole number.
    Whole {
        least: u64,
        most: u64,
    },
    /// A number from this one on.
    Number {
        least: f64,
    },
    /// A length of time, known before the run.
    Duration,
    /// A bare expression that is true or false.
    Expression,
    /// One `{{ expression }}`.
    Template,
    Null,
    List(&'static Form),
    /// A list that is not empty.
    Some(&'static Form),
    /// A list in which nothing stands twice.
    Set(&'static Form),
    /// Names of this pattern to values.
    Map(&'static str, &'static Form),
    Shape(&'static Shape),
    /// The keys of the shape, and exactly one action.
    Step(&'static Shape),
    /// What a parameter is declared as: its type says what its default may be.
    Declaration(&'static Shape),
    /// What a runbook has under this key.
    OfRunbook(&'static str),
    Either(&'static [Form]),
}

/// Scalars of any type are taken as the text that is written.
pub const SCALAR: &[&str] = &["string", "number", "boolean"];

/// Where a secret is found: `secret::Source`.
pub const SECRET: Form = Form::Pattern {
    pattern: r"^(ask:?\s*$|env:.|file:.|cmd:.)",
    wanted: "A secret is never written out: env:NAME, file:PATH, cmd:COMMAND or ask says where it is.",
    types: &["string"],
};

/// The same of a parameter.
pub const SECRET_PARAMETER: Form = Form::Pattern {
    pattern: r"^(ask:?\s*$|env:.|file:.|cmd:.|generate:.)",
    wanted: "A secret is never written out: env:NAME, file:PATH, cmd:COMMAND, generate:PATH or ask says where it is.",
    types: &["string"],
};

/// Text that templates can spell: `steps.NAME`, `params.NAME`.
pub const NAME: &str = "^[a-z][a-z0-9_]{0,63}$";

/// Rows of a table: `optional "port": Form::Whole { least: 1, most: 65535 }, "22", "What it is.";`
#[macro_export]
macro_rules! fields {
    (@required) => { true };
    (@optional) => { false };
    ($($need:ident $name:literal: $form:expr, $example:literal, $about:literal;)*) => {
        &[$($crate::load::Field {
            name: $name,
            form: $form,
            example: $example,
            about: $about,
            required: $crate::load::fields!(@$need),
        }),*]
    };
}
pub use fields;

impl Shape {
    pub fn fields(&self) -> impl Iterator<Item = &'static Field> {
        self.groups.iter().copied().flatten()
    }

    pub fn names(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.groups.iter().copied().flatten().map(|field| field.name)
    }

    pub fn has(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }
}
