//! A stand-in until the command line is there: the lab's commands, by hand.

use std::error::Error;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use surefoot::lab::{DataDisk, Etcd, Lab, Name, Progress, Spec, command, install_missing};

const USAGE: &str = "surefoot lab up [--lab NAME] [--hosts N] [--etcd 3.4|3.5|none] [--disk PATH=MIB] [--replace]
surefoot lab down|show [--lab NAME] | list | reap
surefoot lab ssh|enter [--lab NAME] HOST [COMMAND...]
surefoot lab break [--lab NAME] HOST WHAT";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut words: Vec<String>) -> Result<(), Box<dyn Error>> {
    if words.len() < 2 || words.remove(0) != "lab" {
        return Err(USAGE.into());
    }
    let verb = words.remove(0);
    let name: Name = option(&mut words, "--lab").as_deref().unwrap_or("lab").parse()?;
    match verb.as_str() {
        "up" => up(name, words),
        "down" => Ok(Lab::down(&name)?),
        "list" => Ok(Lab::list()?.iter().for_each(|name| println!("{name}"))),
        "reap" => Ok(Lab::reap()?.iter().for_each(|name| println!("{name}"))),
        "show" => Ok(print!("{}", command::table(&Lab::open(&name)?)?)),
        "ssh" | "enter" | "break" if !words.is_empty() => {
            let (lab, host) = (Lab::open(&name)?, words.remove(0).parse()?);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            match verb.as_str() {
                "ssh" => Err(lab.ssh(&host, &words)?.exec().into()),
                "enter" => Err(lab.enter(&host, &words)?.exec().into()),
                _ => Ok(lab.apply(&host, &words.join(" ").parse()?)?),
            }
        }
        _ => Err(USAGE.into()),
    }
}

fn up(name: Name, mut words: Vec<String>) -> Result<(), Box<dyn Error>> {
    let hosts = option(&mut words, "--hosts").as_deref().unwrap_or("3").parse()?;
    let etcd: Etcd = option(&mut words, "--etcd").as_deref().unwrap_or("3.4").parse()?;
    let mut spec = Spec::cluster(name, hosts, etcd);
    if let Some(disk) = option(&mut words, "--disk") {
        let (path, mebibytes) = disk.split_once('=').ok_or(USAGE)?;
        let disk = DataDisk { path: path.into(), mebibytes: mebibytes.parse()? };
        spec.hosts.iter_mut().for_each(|host| host.disk = Some(disk.clone()));
    }
    spec.replace = words.iter().any(|word| word == "--replace");
    install_missing(&|line| eprintln!("{line}"))?;
    let lab = Lab::up(&spec, &|progress| match progress {
        Progress::BuildingRoot(etcd) => {
            eprintln!("building the Debian root for etcd {etcd}, once; about 20 seconds")
        }
        Progress::HostUp(host, took) => eprintln!("{host} is up after {} ms", took.as_millis()),
    })?;
    print!("{}", command::table(&lab)?);
    println!("{}\n{}", lab.ssh_config().display(), lab.inventory().display());
    Ok(())
}

fn option(words: &mut Vec<String>, name: &str) -> Option<String> {
    let at = words.iter().position(|word| word == name)?;
    words.remove(at);
    (at < words.len()).then(|| words.remove(at))
}
