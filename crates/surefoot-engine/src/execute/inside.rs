//! Paths on the controller that have something in them which a host has said: they stay below the folder that their author
//! has written.

use std::path::{Component, Path};

/// `prefix` is what stands before the first value of a host. The text says how the path leaves the last folder in that.
pub(super) fn check(current: &Path, prefix: &str, path: &str) -> Result<(), &'static str> {
    let base =
        current.join(prefix.rsplit_once('/').map_or("", |(folder, _)| if folder.is_empty() { "/" } else { folder }));
    let whole = current.join(path);
    let rest = whole.strip_prefix(&base).map_err(|_| "leaves its folder")?;
    if !rest.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err("leaves its folder");
    }
    let mut at = base;
    for part in rest.components() {
        at.push(part);
        if at.is_symlink() {
            return Err("leads through a symbolic link");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_host_says_leads_to_no_other_folder() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc", folder.path().join("link")).unwrap();
        let fine = |prefix: &str, said: &str| check(folder.path(), prefix, &format!("{prefix}{said}")).is_ok();
        assert!(fine("logs/a-", "web-1.log") && fine("", "x/y") && fine("/var/backups/", "x.db") && fine("/", "x"));
        assert!(!fine("logs/", "../../x") && !fine("logs/a-", "/../../../x") && !fine("", "/etc/cron.d/x"));
        assert!(!fine("", "..") && !fine("", "link/cron.d/x") && !fine("", "link"));
    }
}
