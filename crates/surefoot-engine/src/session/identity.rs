//! Who runs this program, as the system says it. What a user can set (`USER`, `LOGNAME`) tells nothing; what sudo says is
//! told beside it, for anybody can call us with `SUDO_USER` set.

use crate::bounded;
use std::path::Path;

/// No file that is read here is larger, in bytes.
const LARGEST: u64 = 16 << 20;

/// What the login uid is where nobody has logged in, such as in a service.
const NOBODY_LOGGED_IN: u32 = u32::MAX;

/// `user@machine`: the user that this process runs as; and, where they are others, who has logged in, and who sudo says has
/// called it: `root@desk (login ana, sudo by ana)`.
pub fn operator_name() -> String {
    let text = |path: &str| bounded::read_text(Path::new(path), LARGEST).unwrap_or_default();
    let login = text("/proc/self/loginuid").trim().parse().ok().filter(|uid| *uid != NOBODY_LOGGED_IN);
    let who = Who { uid: rustix::process::getuid().as_raw(), login, sudo: std::env::var("SUDO_USER").ok() };
    who.shown(&text("/etc/passwd"), &rustix::system::uname().nodename().to_string_lossy())
}

struct Who {
    uid: u32,
    /// The user that has logged in, whoever it has become since: no process can change it without a capability.
    login: Option<u32>,
    /// By the environment.
    sudo: Option<String>,
}

impl Who {
    fn shown(&self, passwd: &str, machine: &str) -> String {
        let own = name(self.uid, passwd);
        let login = self.login.filter(|uid| *uid != self.uid).map(|uid| format!("login {}", name(uid, passwd)));
        let sudo = self.sudo.as_deref().map(word).filter(|user| *user != own).map(|user| format!("sudo by {user}"));
        let beside: Vec<String> = login.into_iter().chain(sudo).collect();
        match beside.is_empty() {
            true => format!("{own}@{machine}"),
            false => format!("{own}@{machine} ({})", beside.join(", ")),
        }
    }
}

/// A user's name, by a list of users as `/etc/passwd` has it; `uid-N` where it has none.
fn name(uid: u32, passwd: &str) -> String {
    let named = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| format!("uid-{uid}"))
}

/// A name as it may stand beside others: a variable can hold anything.
fn word(text: &str) -> String {
    let plain = |c: &char| c.is_alphanumeric() || "-_.@\\".contains(*c);
    text.chars().filter(plain).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nana:x:1000:1000::/home/ana:/bin/bash\n";

    #[test]
    fn who_it_is_is_what_the_system_says() {
        let shown =
            |uid, login, sudo: Option<&str>| Who { uid, login, sudo: sudo.map(str::to_owned) }.shown(PASSWD, "desk");
        assert_eq!(shown(1000, Some(1000), None), "ana@desk");
        assert_eq!(shown(0, Some(1000), Some("ana")), "root@desk (login ana, sudo by ana)");
        assert_eq!(shown(0, None, Some("eve), approved by bob")), "root@desk (sudo by eveapprovedbybob)");
        assert_eq!(shown(1234, None, None), "uid-1234@desk");
    }
}
