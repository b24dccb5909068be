//! What a machine can lack that a lab needs.

use std::fmt;

/// Something that a lab needs and this machine lacks. `Display` says what, and what can be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MissingRequirement {
    Linux,
    Root,
    /// The tool or file, and the Debian package that brings it.
    Tool {
        what: &'static str,
        package: &'static str,
    },
    CgroupV2,
    /// `cgroup.kill` came with Linux 5.14.
    Kernel(String),
    Overlay,
    /// Inotify instances are used up; each host's systemd takes some.
    Watches,
    /// Packages are missing and there is no apt to install them.
    Apt,
}

impl fmt::Display for MissingRequirement {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            MissingRequirement::Linux => f.write_str("it is not Linux"),
            MissingRequirement::Root => f.write_str("it takes root to make namespaces, mounts and cgroups"),
            MissingRequirement::Tool { what, package } => {
                write!(f, "{what} is not there (Debian package {package})")
            }
            MissingRequirement::CgroupV2 => {
                f.write_str("no writable cgroup v2 hierarchy at /sys/fs/cgroup or /sys/fs/cgroup/unified")
            }
            MissingRequirement::Kernel(release) => write!(f, "its Linux is {release}, older than 5.14"),
            MissingRequirement::Watches => {
                f.write_str("root has no inotify instances left: `sysctl fs.inotify.max_user_instances=1024`")
            }
            MissingRequirement::Overlay => f.write_str("its kernel offers no overlay file system"),
            MissingRequirement::Apt => f.write_str("it has no apt-get to install what is missing"),
        }
    }
}

impl MissingRequirement {
    /// The Debian package that brings it, where one does.
    pub(super) fn package(&self) -> Option<&'static str> {
        match self {
            MissingRequirement::Tool { package, .. } => Some(package),
            _ => None,
        }
    }
}
