//! What an existing certificate says.

use super::validity::fingerprint;
use crate::model::Fault;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::net::IpAddr;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;

/// The first certificate of a PEM text, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    pub der: Vec<u8>,
    /// The common name of its subject; empty where it has none.
    pub name: String,
    /// DNS names and addresses that it is for.
    pub names: BTreeSet<String>,
    pub is_ca: bool,
    pub server: bool,
    pub client: bool,
    pub begins: Timestamp,
    pub expires: Timestamp,
    /// Its public key, as the bits of the key alone.
    pub public_key: Vec<u8>,
}

impl Certificate {
    pub fn parse(pem: &str) -> Result<Certificate, Fault> {
        let bad = |why: String| Fault::value("it is no certificate in PEM").detail(why);
        let block = Pem::iter_from_buffer(pem.as_bytes()).next().ok_or_else(|| bad("it is empty".to_owned()))?;
        let der = block.map_err(|error| bad(error.to_string()))?.contents;
        read(&der).map_err(bad)
    }

    /// All certificates of a PEM text, in its order.
    pub fn parse_all(pem: &str) -> Result<Vec<Certificate>, Fault> {
        let bad = |why: String| Fault::value("it is no certificate in PEM").detail(why);
        let blocks = Pem::iter_from_buffer(pem.as_bytes());
        blocks.map(|block| read(&block.map_err(|error| bad(error.to_string()))?.contents).map_err(bad)).collect()
    }

    /// Whether the authority's key has signed it.
    pub fn is_signed_by(&self, authority: &Certificate) -> bool {
        let parse = |der| x509_parser::parse_x509_certificate(der).ok().map(|(_, own)| own);
        let (Some(own), Some(theirs)) = (parse(&self.der), parse(&authority.der)) else { return false };
        own.verify_signature(Some(theirs.public_key())).is_ok()
    }

    pub fn fingerprint(&self) -> String {
        fingerprint(&self.der)
    }
}

fn read(der: &[u8]) -> Result<Certificate, String> {
    let (_, own) = x509_parser::parse_x509_certificate(der).map_err(|error| error.to_string())?;
    let usage = own.extended_key_usage().map_err(|error| error.to_string())?.map(|usage| usage.value);
    let constraints = own.basic_constraints().map_err(|error| error.to_string())?;
    let time = |seconds: i64| Timestamp::from_second(seconds).map_err(|error| error.to_string());
    Ok(Certificate {
        name: own
            .subject()
            .iter_common_name()
            .next()
            .and_then(|name| name.as_str().ok())
            .unwrap_or_default()
            .to_owned(),
        names: names(&own),
        is_ca: constraints.is_some_and(|constraints| constraints.value.ca),
        server: usage.is_some_and(|usage| usage.server_auth),
        client: usage.is_some_and(|usage| usage.client_auth),
        begins: time(own.validity().not_before.timestamp())?,
        expires: time(own.validity().not_after.timestamp())?,
        public_key: own.public_key().subject_public_key.data.to_vec(),
        der: der.to_vec(),
    })
}

fn names(own: &X509Certificate<'_>) -> BTreeSet<String> {
    let listed = own.subject_alternative_name().ok().flatten();
    let all = listed.iter().flat_map(|names| &names.value.general_names);
    all.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
        _ => None,
    })
    .collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}
