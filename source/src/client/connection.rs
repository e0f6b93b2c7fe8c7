//! The way to a server: connections, certificates, the URL everything lies below.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use spectra_common::failure::{Exit, failure};
use url::Url;

use super::describe;
use crate::spec::Spec;

/// The HTTP connection pool, with the limits and headers of a spec.
///
/// # Errors
/// [`Exit::Configuration`] for a header that cannot be sent or a certificate that cannot be read.
pub fn http(spec: &Spec, certificates: &Certificates) -> Result<reqwest::Client> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    for (name, value) in &spec.http.headers {
        let refuse = || failure(Exit::Configuration, format!("the spec's header `{name}` cannot be sent"), "check it");
        headers.insert(
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| refuse())?,
            HeaderValue::from_str(value).map_err(|_| refuse())?,
        );
    }
    let mut builder = reqwest::Client::builder()
        .default_headers(headers)
        .user_agent(concat!("spectra-source/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_millis(spec.http.connect_timeout_ms))
        .read_timeout(Duration::from_millis(spec.http.read_timeout_ms))
        // A redirect to a login page would answer 200 with HTML, and could carry the token elsewhere.
        .redirect(reqwest::redirect::Policy::none());
    if let Some(file) = &certificates.authority {
        let found =
            reqwest::Certificate::from_pem_bundle(&read(file)?).map_err(|error| unusable(file, &describe(&error)))?;
        if found.is_empty() {
            return Err(unusable(file, "there is none in it"));
        }
        for certificate in found {
            builder = builder.add_root_certificate(certificate);
        }
    }
    if let Some(file) = &certificates.client {
        builder = builder
            .identity(reqwest::Identity::from_pem(&read(file)?).map_err(|error| unusable(file, &describe(&error)))?);
    }
    builder.build().context("preparing the HTTP client")
}

/// Certificates beyond those of the system.
#[derive(Clone, Debug, Default)]
pub struct Certificates {
    /// Authorities to trust as well, PEM.
    pub authority: Option<std::path::PathBuf>,
    /// Our own certificate and its key, PEM.
    pub client: Option<std::path::PathBuf>,
}

fn read(file: &std::path::Path) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(|error| {
        failure(Exit::Configuration, format!("reading {}: {error}", file.display()), "check the path and its rights")
    })
}

fn unusable(file: &std::path::Path, reason: &str) -> anyhow::Error {
    failure(
        Exit::Configuration,
        format!("{} holds no certificate that can be used: {reason}", file.display()),
        "give PEM text; a client certificate and its key belong in one file",
    )
}

/// The server's root with the base path, which may be given with it.
///
/// # Errors
/// [`Exit::Configuration`] for a URL that is none or holds credentials.
pub fn base_url(server: &str, base_path: &str) -> Result<Url> {
    let refuse = |reason: &str| {
        failure(
            Exit::Configuration,
            format!("--api-url {server} is not the URL of a server: {reason}"),
            "give its root, such as https://tenant.yourzephyr.com",
        )
    };
    let mut url = Url::parse(server).map_err(|error| refuse(&error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(failure(
            Exit::Configuration,
            "--api-url holds credentials, which would end up in logs",
            "give them as SPECTRA_API_USER and SPECTRA_API_PASSWORD",
        ));
    }
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(refuse("it starts with neither http:// nor https://"));
    }
    url.set_query(None);
    url.set_fragment(None);
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix(base_path).unwrap_or(path);
    url.set_path(&format!("{path}{base_path}"));
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "no certificate").unwrap();
        let path = Some(file.path().to_owned());
        let spec = Spec::load(None).unwrap();
        for wrong in [
            Certificates { authority: path.clone(), client: None },
            Certificates { authority: None, client: path },
            Certificates { authority: Some("/not/there".into()), client: None },
        ] {
            let error = http(&spec, &wrong).unwrap_err();
            assert_eq!(spectra_common::failure::exit_of(&error), Exit::Configuration, "{error}");
        }
    }

    #[test]
    fn the_base_path_is_added_once() {
        let expected = "https://tenant.example/flex/services/rest/v3";
        for server in
            ["https://tenant.example", "https://tenant.example/", "https://tenant.example/flex/services/rest/v3/"]
        {
            assert_eq!(base_url(server, "/flex/services/rest/v3").unwrap().as_str(), expected);
        }
    }

    #[test]
    fn a_url_that_is_none_or_holds_a_password_is_refused() {
        for server in ["tenant.example", "ftp://tenant.example", "https://me:secret@tenant.example"] {
            let error = base_url(server, "/rest").unwrap_err().to_string();
            assert!(!error.contains("secret@") || !server.contains("secret"), "{error}");
        }
    }
}
