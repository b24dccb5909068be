//! TLS towards an etcd: which certificate of the server is good, and which one we show.

use super::access::{PemFiles, Trust};
use std::sync::Arc;
use surefoot_engine::model::Fault;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

/// The TLS settings for one etcd. A PEM text that does not fit is a fault.
pub fn config(tls: &PemFiles) -> Result<ClientConfig, Fault> {
    let provider = Arc::new(ring::default_provider());
    let check = match &tls.trust {
        Trust::Same { certificate } => {
            let first =
                chain(certificate)?.into_iter().next().ok_or_else(|| bad("the server's certificate", "it is empty"))?;
            CertificateCheck::Same(first)
        }
        Trust::Authority { ca, names } => {
            let mut roots = RootCertStore::empty();
            for certificate in chain(ca)? {
                roots.add(certificate).map_err(|e| bad("the authority", e))?;
            }
            let signed = WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone());
            let names = names.iter().filter_map(|name| ServerName::try_from(name.clone()).ok()).collect();
            CertificateCheck::Signed(signed.build().map_err(|e| bad("the authority", e))?, names)
        }
    };
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| bad("TLS", e))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { check, provider }));
    let mut config = match &tls.identity {
        Some((certificate, key)) => {
            let key = PrivateKeyDer::from_pem_slice(key).map_err(|e| bad("the client's key", e))?;
            builder.with_client_auth_cert(chain(certificate)?, key).map_err(|e| bad("the client's certificate", e))?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Fault> {
    CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|e| bad("a certificate", e))
}

fn bad(what: &str, why: impl std::fmt::Display) -> Fault {
    Fault::value(format!("{what} for etcd cannot be used")).detail(why.to_string())
}

#[derive(Debug)]
enum CertificateCheck {
    Same(CertificateDer<'static>),
    Signed(Arc<WebPkiServerVerifier>, Vec<ServerName<'static>>),
}

/// Asks either for one certificate, or for a signature and any of the names by which the server is known: etcd is
/// dialled on loopback, which its certificate need not name. The proof that the server holds the certificate's key is
/// always asked for.
#[derive(Debug)]
struct Verifier {
    check: CertificateCheck,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        _dialled: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.check {
            CertificateCheck::Same(own) if own == certificate => Ok(ServerCertVerified::assertion()),
            CertificateCheck::Same(_) => {
                Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
            CertificateCheck::Signed(signed, names) => {
                let mut last = Err(Error::InvalidCertificate(CertificateError::NotValidForName));
                for name in names {
                    last = signed.verify_server_cert(certificate, between, name, ocsp, now);
                    if last.is_ok() {
                        break;
                    }
                }
                last
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
