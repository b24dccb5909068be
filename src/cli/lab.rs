//! `surefoot lab`.

use super::args::LabCommand as Verb;
use super::exit::{CommandResult, Exit};
use super::out::say;
use std::error::Error;
use std::os::unix::process::CommandExt;
use surefoot_lab::lab::{Etcd, Lab, LabProgress, LabSpec, command, install_missing};

pub fn main(verb: Verb) -> CommandResult {
    run(verb)?;
    Ok(Exit::Done)
}

fn run(verb: Verb) -> Result<(), Box<dyn Error>> {
    match verb {
        Verb::Up { lab, hosts, etcd, disk, packages, replace } => {
            if replace {
                Lab::down(&lab.name)?;
            }
            let mut spec = LabSpec::of_hosts(lab.name, hosts, etcd.resolve()?);
            spec.packages = packages.into_iter().collect();
            for host in &mut spec.hosts {
                host.disk = disk.clone();
            }
            up(&spec)
        }
        Verb::Down { lab } => {
            Lab::down(&lab.name)?;
            crate::cli::out::tell_line!("the lab {} is down, and nothing of it is left", lab.name);
            Ok(())
        }
        Verb::List => {
            Lab::list()?.iter().for_each(|name| say!("{name}\n"));
            Ok(())
        }
        Verb::Show { lab } => {
            say!("{}", command::table(&Lab::open(&lab.name)?)?);
            Ok(())
        }
        Verb::Ssh { lab, host, command } => {
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            // Returns only where ssh could not be started.
            Err(Lab::open(&lab.name)?.ssh(&host, &words)?.exec().into())
        }
        Verb::Break { lab, host, what } => Ok(Lab::open(&lab.name)?.apply(&host, what)?),
    }
}

fn up(spec: &LabSpec) -> Result<(), Box<dyn Error>> {
    install_missing(&|line| crate::cli::out::tell_line!("{line}"))?;
    let lab = Lab::up(spec, &say)?;
    say!("{}", command::table(&lab)?);
    say!("ssh config  {}\ninventory   {}\n\n{}", lab.ssh_config().display(), lab.inventory().display(), next(&lab));
    Ok(())
}

/// What to type next, with this lab's own names.
fn next(lab: &Lab) -> String {
    let name = lab.name();
    let first = lab.hosts().next().map_or("", |host| host.as_str());
    let cluster = match lab.spec().etcd {
        Etcd::None => String::new(),
        _ => format!("  surefoot run etcd/bootstrap -i lab:{name}    make an etcd cluster on them\n"),
    };
    format!(
        "Next:\n  surefoot hosts -i lab:{name}\n{cluster}  surefoot lab ssh --lab {name} {first}\n  \
         surefoot lab down --lab {name}\n"
    )
}

/// One line for each thing that a lab's boot has to tell.
pub fn say(progress: LabProgress) {
    match progress {
        LabProgress::BuildingRoot { etcd, packages } => {
            let more: String = packages.iter().map(|package| format!(", {package}")).collect();
            crate::cli::out::tell_line!("building the Debian root with etcd {etcd}{more}, once: about half a minute");
        }
        LabProgress::FetchingGo => crate::cli::out::tell_line!("fetching Go, which builds etcd, once: some seconds"),
        LabProgress::BuildingEtcd { release, program } => {
            crate::cli::out::tell_line!("building {program} {release} from its Go modules, once: up to two minutes")
        }
        LabProgress::HostUp(host, took) => crate::cli::out::tell_line!("{host} is up after {} ms", took.as_millis()),
    }
}
