//! Whom `https` checks trust: files of CAs' certificates, read when they are needed.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use lb_core::health::{CaFile, Trust};
use lb_core::intent::Document;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// Largest file, bytes: all CAs that a Debian trusts are a fifth of it.
const BYTES_MAX: u64 = 1 << 20;

/// A file that no certificates can be had from.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("{file} cannot be read")]
    Unread {
        file: CaFile,
        #[source]
        source: io::Error,
    },
    #[error("{file} is larger than {BYTES_MAX} bytes")]
    TooLarge { file: CaFile },
    #[error("{file} has no certificate in PEM (-----BEGIN CERTIFICATE-----)")]
    None { file: CaFile },
    #[error("certificate {number} of {file} is damaged: {reason}")]
    Damaged {
        file: CaFile,
        number: usize,
        reason: String,
    },
    #[error("TLS cannot be used")]
    Tls(#[source] rustls::Error),
}

/// What connections are made with, by whom they trust.
#[derive(Default)]
pub struct Certificates {
    known: Mutex<BTreeMap<Trust, Arc<ClientConfig>>>,
}

impl Certificates {
    /// What is needed next is read again: files change.
    pub fn forget(&self) {
        self.known().clear();
    }

    pub fn config(&self, trust: &Trust) -> Result<Arc<ClientConfig>, CertificateError> {
        if let Some(config) = self.known().get(trust) {
            return Ok(config.clone());
        }
        let config = Arc::new(make(trust)?);
        self.known().insert(trust.clone(), config.clone());
        Ok(config)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<Trust, Arc<ClientConfig>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first file of a document's checks that isn't one of certificates: the index of its service
/// in the order of keys, and what is wrong.
pub fn check_files(document: &Document) -> Option<(String, CaFile, CertificateError)> {
    let mut read = BTreeMap::new();
    for service in document.services() {
        let checks = &service.policy.checks;
        let own = checks.of_backends.values().flatten();
        for check in checks.of_service.iter().chain(own) {
            let Some(file) = check.probe.ca_file() else {
                continue;
            };
            if read.insert(file.clone(), ()).is_some() {
                continue;
            }
            if let Err(error) = roots(file) {
                return Some((service.key.to_string(), file.clone(), error));
            }
        }
    }
    None
}

fn make(trust: &Trust) -> Result<ClientConfig, CertificateError> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(CertificateError::Tls)?;
    let mut config = match trust {
        Trust::Ca(file) => config.with_root_certificates(roots(file)?),
        Trust::Insecure => config
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone(provider))),
    }
    .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn roots(file: &CaFile) -> Result<RootCertStore, CertificateError> {
    let pem = read(file)?;
    let mut roots = RootCertStore::empty();
    for (number, certificate) in (1..).zip(CertificateDer::pem_slice_iter(&pem)) {
        let damaged = |reason: String| CertificateError::Damaged {
            file: file.clone(),
            number,
            reason,
        };
        let certificate = certificate.map_err(|error| damaged(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| damaged(error.to_string()))?;
    }
    match roots.is_empty() {
        true => Err(CertificateError::None { file: file.clone() }),
        false => Ok(roots),
    }
}

/// Only a plain file is read: whoever may name one must not make the daemon wait for a pipe.
fn read(file: &CaFile) -> Result<Vec<u8>, CertificateError> {
    let unread = |source| CertificateError::Unread {
        file: file.clone(),
        source,
    };
    let path = Path::new(file.as_str());
    let metadata = std::fs::metadata(path).map_err(unread)?;
    if !metadata.is_file() {
        return Err(unread(io::Error::other("it is no plain file")));
    }
    if metadata.len() > BYTES_MAX {
        return Err(CertificateError::TooLarge { file: file.clone() });
    }
    std::fs::read(path).map_err(unread)
}

/// `insecure: true`: everybody is who they say. That they hold the certificate's key is asked.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
