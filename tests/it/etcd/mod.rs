//! The etcd actions on real clusters: Debian's etcd 3.4 and 3.5 on lab hosts, over ssh, plain and with TLS.

mod auth;
mod configure;
mod guards;
mod layouts;
mod lead;
mod member;
mod mirror;
mod mirror_killed;
mod restore;
mod try_program;
mod upkeep;
mod versions;
