//! Settings by name, from environment, command line and configuration file.

use super::config_file;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Serialize;
use surefoot_engine::action::command_line::{self, Environment, FlagSource};
use surefoot_engine::model::Fault;

/// What a host keeps one setting in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "in", rename_all = "snake_case")]
pub enum SettingLocation {
    /// An environment variable: `ETCD_X`, or the one that the unit's flag is fed from.
    /// `file` is none where it stands in the unit itself (`Environment=`).
    Variable { file: Option<String>, variable: String },
    /// A flag within a variable that holds flags, such as `DAEMON_ARGS`.
    Flags { file: Option<String>, variable: String },
    /// A flag on the command line of the unit or of the pod.
    Line,
    /// etcd's own configuration file.
    ConfigFile { file: String },
    /// Only the running process has it: a shell or a script that starts etcd works it out.
    Process,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Setting {
    pub value: String,
    #[serde(flatten)]
    pub kept: SettingLocation,
}

/// Every setting that is set; what is not here has etcd's default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EtcdSettings {
    pub set: IndexMap<String, Setting>,
    /// The configuration file, which makes flags and variables count for nothing.
    pub config_file: Option<String>,
    /// Relative paths are below it.
    pub folder: String,
}

/// What the settings come to, with etcd's defaults where nothing is set.
pub struct ResolvedSettings<'a>(pub &'a EtcdSettings);

impl EtcdSettings {
    /// From the words after `etcd` on its command line, and its environment.
    pub fn of(words: &[String], environment: &Environment, folder: &str) -> EtcdSettings {
        let variables = environment.iter().map(|(name, (value, _))| (name.clone(), value.clone())).collect();
        let file_of = |variable: &str| environment.get(variable).and_then(|(_, file)| file.clone());
        let mut set = IndexMap::new();
        for (variable, (value, file)) in environment {
            let Some(name) = variable.strip_prefix("ETCD_").filter(|_| !value.is_empty()) else { continue };
            let kept = SettingLocation::Variable { file: file.clone(), variable: variable.clone() };
            set.insert(name.to_ascii_lowercase().replace('_', "-"), Setting { value: value.clone(), kept });
        }
        for flag in command_line::flags(words, &variables) {
            let kept = match flag.from {
                FlagSource::Line => SettingLocation::Line,
                FlagSource::Variable(variable) => SettingLocation::Variable { file: file_of(&variable), variable },
                FlagSource::Within(variable) => SettingLocation::Flags { file: file_of(&variable), variable },
            };
            set.insert(flag.name, Setting { value: flag.value, kept });
        }
        let config_file = set.get("config-file").map(|setting: &Setting| setting.value.clone());
        EtcdSettings { set, config_file, folder: folder.to_owned() }
    }

    /// With the flags that a process was started with in place of those of the command line.
    pub fn with_flags_of(self, process: &EtcdSettings) -> EtcdSettings {
        let mut set = self.set;
        set.retain(|_, setting| setting.kept != SettingLocation::Line);
        let flags = process.set.iter().filter(|(_, setting)| setting.kept == SettingLocation::Line);
        set.extend(flags.map(|(name, setting)| {
            (name.clone(), Setting { value: setting.value.clone(), kept: SettingLocation::Process })
        }));
        let config_file = set.get("config-file").map(|setting| setting.value.clone());
        EtcdSettings { set, config_file, folder: process.folder.clone() }
    }

    /// With the content of [`Settings::config_file`], which replaces all else.
    pub fn with_config_file(self, text: &str) -> Result<EtcdSettings, Fault> {
        let Some(file) = self.config_file.clone() else { return Ok(self) };
        let kept = SettingLocation::ConfigFile { file: file.clone() };
        let own = config_file::parse(&file, text)?;
        let set = own.into_iter().map(|(name, value)| (name, Setting { value, kept: kept.clone() })).collect();
        Ok(EtcdSettings { set, ..self })
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.set.get(name).map(|setting| setting.value.as_str()).filter(|value| !value.is_empty())
    }

    pub fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| matches!(value, "true" | "1" | "t" | "T" | "TRUE" | "True"))
    }

    /// A setting that is a path, made absolute.
    pub fn path(&self, name: &str) -> Option<String> {
        self.get(name).map(|path| self.absolute(path))
    }

    fn absolute(&self, path: &str) -> String {
        let folder = if self.folder.is_empty() { "/" } else { &self.folder };
        std::path::Path::new(folder).join(path).to_string_lossy().into_owned()
    }
}

impl ResolvedSettings<'_> {
    pub fn name(&self) -> String {
        self.0.get("name").unwrap_or("default").to_owned()
    }

    pub fn data_dir(&self) -> String {
        self.0.path("data-dir").unwrap_or_else(|| self.0.absolute(&format!("{}.etcd", self.name())))
    }

    pub fn listen_client(&self) -> Vec<String> {
        self.urls("listen-client-urls", "http://localhost:2379")
    }

    pub fn listen_peer(&self) -> Vec<String> {
        self.urls("listen-peer-urls", "http://localhost:2380")
    }

    pub fn advertise_client(&self) -> Vec<String> {
        self.urls("advertise-client-urls", "http://localhost:2379")
    }

    pub fn advertise_peer(&self) -> Vec<String> {
        self.urls("initial-advertise-peer-urls", "http://localhost:2380")
    }

    fn urls(&self, name: &str, default: &str) -> Vec<String> {
        self.0
            .get(name)
            .unwrap_or(default)
            .split(',')
            .map(|url| url.trim().to_owned())
            .filter(|url| !url.is_empty())
            .collect()
    }
}
