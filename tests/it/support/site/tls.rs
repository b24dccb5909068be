//! An authority and a certificate for each host. Keys are made in memory and written to their
//! hosts; the authority's, and those of one host, for clients here, to the folder of the program.

use super::Site;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use surefoot_lab::lab::LabName;

/// Gives each host its certificate, for its own address only: loopback, where it is dialled, is not in it.
pub fn certify(site: &Site, hosts: &[LabName]) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().unwrap();
    let client = site.program.path("client");
    std::fs::create_dir_all(&client).unwrap();
    std::fs::write(client.join("ca-key.pem"), ca_key.serialize_pem()).unwrap();
    let ca = CertifiedIssuer::self_signed(authority, ca_key).unwrap();
    for host in hosts {
        let key = KeyPair::generate().unwrap();
        let mut own = CertificateParams::new([site.lab.address(host).unwrap().to_string()]).unwrap();
        own.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let own = own.signed_by(&key, &ca).unwrap();
        site.inside(host, "install -d -o etcd -g etcd /etc/etcd");
        // For clients at this machine, those of the last host will do.
        for (name, text) in [("ca.pem", ca.pem()), ("client.pem", own.pem()), ("client-key.pem", key.serialize_pem())] {
            std::fs::write(client.join(name), text).unwrap();
        }
        for (name, text) in [("ca.pem", ca.pem()), ("host.pem", own.pem()), ("host.key", key.serialize_pem())] {
            site.write(host, &format!("/etc/etcd/{name}"), "0600", "etcd", &text);
        }
    }
}

/// etcd's settings for clients and peers.
pub fn settings() -> impl Iterator<Item = (&'static str, String)> {
    [
        ("cert-file", "/etc/etcd/host.pem"),
        ("key-file", "/etc/etcd/host.key"),
        ("trusted-ca-file", "/etc/etcd/ca.pem"),
        ("client-cert-auth", "true"),
        ("peer-cert-file", "/etc/etcd/host.pem"),
        ("peer-key-file", "/etc/etcd/host.key"),
        ("peer-trusted-ca-file", "/etc/etcd/ca.pem"),
        ("peer-client-cert-auth", "true"),
    ]
    .into_iter()
    .map(|(name, value)| (name, value.to_owned()))
}
