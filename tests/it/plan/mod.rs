//! Plans that look at the hosts: the right word for each task, proved by the run that follows, and hosts as they were.

mod held;
mod oracle;
mod outline;
mod saved;
mod shown;
mod states;
mod units;
mod untouched;
