//! Certificates are looked at always: a server that cannot show who it is gets no request, and no switch changes that.
//!
//! The keys beside this file were made for it and belong to nobody: an authority, a certificate of 127.0.0.1 that is good
//! until 2120, and one that ended in 2021.

use std::sync::Arc;

use spectra_tests::simulator::Profile;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::support::{Lab, Ran, repository};
use crate::walked::{HASTY, spec_of, use_spec};

/// Serves what listens at `behind` with a certificate; the port it serves at.
async fn serve(certificate: &str, behind: String) -> u16 {
    let file = repository(&format!("tests/tests/encryption/{certificate}.pem"));
    let chain: Vec<CertificateDer<'_>> =
        CertificateDer::pem_file_iter(&file).unwrap().collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(&file).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            tokio::spawn(async move {
                // Who does not trust the certificate hangs up here.
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut behind = TcpStream::connect(behind).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
            });
        }
    });
    port
}

async fn lab() -> (Lab, String) {
    let mut lab = Lab::new(Profile::Small).await;
    use_spec(&mut lab, &spec_of(&["project", "release"], &[&HASTY[..], &[("tries = 5", "tries = 2")]].concat()));
    let behind = lab.simulator.url().strip_prefix("http://").unwrap().to_owned();
    (lab, behind)
}

fn walk(lab: &Lab, url: &str, flags: &[&str]) -> Ran {
    tokio::task::block_in_place(|| lab.run("source", &[&["--api-url", url], flags].concat()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_asked_only_when_it_shows_who_it_is() {
    let (lab, behind) = lab().await;
    let authority = repository("tests/tests/encryption/authority.pem").display().to_string();
    let trusting = ["--ca-file", authority.as_str()];
    let port = serve("server", behind.clone()).await;
    let old = serve("expired", behind).await;
    for (url, flags, why) in [
        (format!("https://127.0.0.1:{port}"), &[][..], "unknownissuer"),
        (format!("https://localhost:{port}"), &trusting[..], "certificate not valid for name \"localhost\""),
        (format!("https://127.0.0.1:{old}"), &trusting[..], "certificate expired"),
    ] {
        let ran = walk(&lab, &url, flags).expect(69);
        let message = ran.text("message");
        assert!(message.contains(&url) && message.contains(why), "{message}");
        assert!(message.contains("invalid peer certificate"), "{message}");
        assert!(ran.text("hint").contains("--ca-file"), "{}", ran.report);
    }
    assert!(lab.simulator.simulator.requests().is_empty(), "nothing was sent, no token either");
    walk(&lab, &format!("https://127.0.0.1:{port}"), &trusting).expect(0);
    assert!(lab.number("select count(*) from source.dimProject").await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_turns_the_look_at_certificates_off() {
    let (lab, _) = lab().await;
    for flag in ["--insecure", "-k", "--no-verify", "--no-check-certificate", "--skip-tls-verify", "--allow-http"] {
        lab.run("source", &[flag]).expect(64);
    }
    let clippy = std::fs::read_to_string(repository("clippy.toml")).unwrap();
    for method in ["danger_accept_invalid_certs", "danger_accept_invalid_hostnames"] {
        assert!(clippy.contains(&format!("reqwest::ClientBuilder::{method}")), "{method}");
    }
}
