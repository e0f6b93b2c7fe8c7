mod canary;
mod server;

use std::collections::HashMap;
use std::io::Write;
use std::time::UNIX_EPOCH;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};
use spectra_common::failure::exit_of;

use super::*;
use server::{Seen, Server, answer};

const BEARER: &str = "kind = 'bearer'\ntoken_variable = 'TOKEN'";
const BASIC: &str = "kind = 'basic'\nuser_variable = 'USER'\npassword_variable = 'PASSWORD'";
const COOKIE: &str =
    "kind = 'cookie'\nlogin_path = '/user/current'\nuser_variable = 'USER'\npassword_variable = 'PASSWORD'";
const KEY_IN_HEADER: &str = "kind = 'api-key'\nheader = 'X-Api-Key'\nkey_variable = 'KEY'";
const KEY_IN_QUERY: &str = "kind = 'api-key'\nquery = 'key'\nkey_variable = 'KEY'";
const OAUTH2: &str = "kind = 'oauth2'\ntoken_url = '/oauth/token?tenant=1'\nclient_id_variable = 'CLIENT_ID'\n\
    client_secret_variable = 'CLIENT_SECRET'\nscope = 'read:a read:b'";
const EXCHANGE: &str = "kind = 'token-exchange'\ntoken_url = '/authenticate'\ntoken_at = '.'\n\
    body_variables = { client_id = 'CLIENT_ID', client_secret = 'CLIENT_SECRET' }";
const JWT: &str = "kind = 'signed-jwt'\naccess_key_header = 'zapiAccessKey'\naccess_key_variable = 'ACCESS_KEY'\n\
    secret_key_variable = 'SECRET_KEY'\nsubject_variable = 'ACCOUNT'";
const KINDS: [&str; 8] = [BEARER, BASIC, COOKIE, KEY_IN_HEADER, KEY_IN_QUERY, OAUTH2, EXCHANGE, JWT];

type Environment = HashMap<String, String>;

fn auth(text: &str) -> Auth {
    toml::from_str(text).unwrap()
}

/// Every variable of every kind, with a value that says which it is.
fn environment() -> Environment {
    let names =
        ["TOKEN", "USER", "PASSWORD", "KEY", "CLIENT_ID", "CLIENT_SECRET", "ACCESS_KEY", "SECRET_KEY", "ACCOUNT"];
    names.iter().map(|name| ((*name).to_owned(), format!("the-{}", name.to_lowercase()))).collect()
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

fn authenticator(text: &str, server: &Url, environment: &Environment) -> Result<Authenticator> {
    choose(&[text], None, server, environment)
}

fn choose(kinds: &[&str], chosen: Option<&str>, server: &Url, environment: &Environment) -> Result<Authenticator> {
    let kinds: Vec<Auth> = kinds.iter().map(|text| auth(text)).collect();
    let base = token::below(server, "rest/v3");
    Authenticator::with(&kinds, chosen, server, &base, client(), &|name| environment.get(name).map(Into::into))
}

fn request(server: &Url) -> Request {
    Request::new(Method::GET, token::below(server, "rest/v3/project?name=a%20b&id=1"))
}

async fn signed(authenticator: &Authenticator, server: &Url) -> Result<(Request, u64)> {
    let mut request = request(server);
    let generation = authenticator.sign(&mut request).await?;
    Ok((request, generation))
}

fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    let value = &request.headers()[name];
    assert!(value.is_sensitive(), "{name}");
    value.to_str().unwrap()
}

fn is_login(seen: &Seen) -> bool {
    matches!(seen.path.as_str(), "/rest/v3/user/current" | "/oauth/token" | "/authenticate")
}

/// Gives a new token or session at every login.
fn logins(seen: &Seen, count: usize) -> axum::response::Response {
    match seen.path.as_str() {
        "/rest/v3/user/current" => answer(200, &[("set-cookie", &format!("JSESSIONID=session-{count}; Path=/"))], "{}"),
        "/oauth/token" => {
            let token = json!({"access_token": format!("token-{count}"), "token_type": "Bearer", "expires_in": 3_600});
            answer(200, &[], &token.to_string())
        }
        "/authenticate" => answer(200, &[], &format!("\"token-{count}\"")),
        _ => answer(404, &[], ""),
    }
}

#[tokio::test]
async fn every_kind_says_who_asks_in_its_own_way() {
    let server = Server::start(logins).await;
    let environment = environment();
    let first = async |text| {
        let authenticator = authenticator(text, &server.url, &environment).unwrap();
        assert!(text.contains(&format!("'{}'", authenticator.kind())), "{text}");
        let (request, generation) = signed(&authenticator, &server.url).await.unwrap();
        assert_eq!(generation, 1);
        request
    };
    assert_eq!(header(&first(BEARER).await, "authorization"), "Bearer the-token");
    let basic = format!("Basic {}", STANDARD.encode("the-user:the-password"));
    assert_eq!(header(&first(BASIC).await, "authorization"), basic);
    assert_eq!(header(&first(KEY_IN_HEADER).await, "x-api-key"), "the-key");
    assert_eq!(first(KEY_IN_QUERY).await.url().query(), Some("name=a%20b&id=1&key=the-key"));
    assert!(server.seen().is_empty(), "nobody was asked");

    assert_eq!(header(&first(COOKIE).await, "cookie"), "JSESSIONID=session-1");
    let login = server.seen().pop().unwrap();
    assert_eq!((login.method.as_str(), login.header("authorization")), ("GET", basic.as_str()));

    assert_eq!(header(&first(OAUTH2).await, "authorization"), "Bearer token-2");
    let login = server.seen().pop().unwrap();
    assert_eq!(login.header("authorization"), format!("Basic {}", STANDARD.encode("the-client_id:the-client_secret")));
    assert_eq!(login.query, "tenant=1");
    assert_eq!(login.body, "grant_type=client_credentials&scope=read%3Aa+read%3Ab");

    assert_eq!(header(&first(EXCHANGE).await, "authorization"), "Bearer token-3");
    let body: Value = serde_json::from_str(&server.seen().pop().unwrap().body).unwrap();
    assert_eq!(body, json!({"client_id": "the-client_id", "client_secret": "the-client_secret"}));
}

#[tokio::test]
async fn a_signed_token_holds_for_its_request_only() {
    let server = Url::parse("https://squad.example/connect").unwrap();
    let authenticator = authenticator(JWT, &server, &environment()).unwrap();
    let (request, _) = signed(&authenticator, &server).await.unwrap();
    assert_eq!(header(&request, "zapiaccesskey"), "the-access_key");
    let token = header(&request, "authorization").strip_prefix("JWT ").unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let decoded = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    assert_eq!(decoded(parts[0]), json!({"alg": "HS256", "typ": "JWT"}));
    let claims = decoded(parts[1]);
    assert_eq!((claims["iss"].as_str(), claims["sub"].as_str()), (Some("the-access_key"), Some("the-account")));
    let now = UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!(claims["iat"].as_u64().unwrap().abs_diff(now) < 5);
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 3_600);
    // SHA-256 of `GET&/rest/v3/project&id=1&name=a%20b`.
    let expected = "610a2fbbee48a484870a7818a7e7e31190f07af61bd110b5395701d67d16c1e2";
    assert_eq!(claims["qsh"].as_str(), Some(expected));
}

#[tokio::test]
async fn without_a_kind_nothing_is_added() {
    let server = Url::parse("https://open.example").unwrap();
    let authenticator = choose(&[], None, &server, &environment()).unwrap();
    let (signed, generation) = signed(&authenticator, &server).await.unwrap();
    assert!(signed.headers().is_empty());
    assert_eq!((authenticator.kind(), signed.url()), ("none", request(&server).url()));
    assert!(!authenticator.refresh(generation).await.unwrap());
}

#[test]
fn the_first_kind_whose_secrets_are_all_there_is_used() {
    let server = Url::parse("https://tenant.example").unwrap();
    let mut environment = environment();
    let both = [BEARER, BASIC];
    let named = |chosen, environment: &Environment| choose(&both, chosen, &server, environment).unwrap().kind();
    assert_eq!(named(None, &environment), "bearer");
    assert_eq!(named(Some("basic"), &environment), "basic");
    environment.insert("TOKEN".to_owned(), String::new());
    assert_eq!(named(None, &environment), "basic");
    environment.remove("PASSWORD");
    let error = choose(&both, None, &server, &environment).unwrap_err();
    assert_eq!(exit_of(&error), Exit::NotAuthorised);
    let expected = "there are no credentials for the API: bearer lacks TOKEN (or TOKEN_FILE); \
                    basic lacks PASSWORD (or PASSWORD_FILE)";
    assert_eq!(error.to_string(), expected);
    let error = choose(&both, Some("baisc"), &server, &environment).unwrap_err();
    assert_eq!(exit_of(&error), Exit::Configuration);
    let hint = error.downcast_ref::<Failure>().unwrap().hint.as_deref().unwrap();
    assert!(error.to_string().contains("`baisc`") && hint.contains("did you mean `basic`?"), "{error} {hint}");
}

#[tokio::test]
async fn credentials_stay_on_their_server() {
    let server = Url::parse("https://tenant.example").unwrap();
    let authenticator = authenticator(BEARER, &server, &environment()).unwrap();
    for url in ["https://tenant.example.org/x", "http://tenant.example/x", "https://tenant.example:8443/x"] {
        let mut request = Request::new(Method::GET, url.parse().unwrap());
        let error = authenticator.sign(&mut request).await.unwrap_err();
        assert_eq!(exit_of(&error), Exit::Configuration);
        assert!(request.headers().is_empty());
    }
    let mut request = Request::new(Method::GET, "https://tenant.example:443/other?page=2".parse().unwrap());
    authenticator.sign(&mut request).await.unwrap();
}

#[tokio::test]
async fn what_was_asked_for_is_asked_for_again_once() {
    for text in [COOKIE, OAUTH2, EXCHANGE] {
        let server = Server::start(logins).await;
        let authenticator = authenticator(text, &server.url, &environment()).unwrap();
        let (_, first) = signed(&authenticator, &server.url).await.unwrap();
        assert!(authenticator.refresh(first).await.unwrap(), "{text}");
        let (request, second) = signed(&authenticator, &server.url).await.unwrap();
        assert!(format!("{:?}", request.headers()).contains("Sensitive"));
        assert_eq!(second, first + 1);
        // A straggler of the first generation has something new to try; a refusal of the second is the end.
        assert!(authenticator.refresh(first).await.unwrap());
        assert!(!authenticator.refresh(second).await.unwrap(), "{text}");
        assert_eq!(server.seen().len(), 2);
        // Unless it was good for a while.
        authenticator.accepted(second);
        assert!(authenticator.refresh(second).await.unwrap());
        assert_eq!(server.seen().len(), 3);
        assert!(authenticator.secrets().iter().any(|secret| secret.ends_with("n-3")), "{:?}", authenticator.secrets());
    }
}

#[tokio::test]
async fn what_never_changes_is_not_tried_again() {
    let server = Url::parse("https://tenant.example").unwrap();
    for text in [BEARER, BASIC, KEY_IN_HEADER, KEY_IN_QUERY, JWT] {
        let authenticator = authenticator(text, &server, &environment()).unwrap();
        let (_, generation) = signed(&authenticator, &server).await.unwrap();
        assert!(!authenticator.refresh(generation).await.unwrap(), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_tasks_cost_one_login() {
    for text in [COOKIE, OAUTH2, EXCHANGE] {
        let server = Server::slow(Duration::from_millis(50), logins).await;
        let authenticator = Arc::new(authenticator(text, &server.url, &environment()).unwrap());
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let (authenticator, url) = (authenticator.clone(), server.url.clone());
            tasks.spawn(async move {
                let (_, generation) = signed(&authenticator, &url).await.unwrap();
                assert_eq!(generation, 1);
                assert!(authenticator.refresh(generation).await.unwrap());
                let (_, generation) = signed(&authenticator, &url).await.unwrap();
                assert_eq!(generation, 2);
            });
        }
        tasks.join_all().await;
        assert_eq!(server.seen().len(), 2, "{text}");
    }
}

#[test]
fn tokens_are_replaced_before_they_end() {
    for (lifetime, expected) in [(36_000, 3_600), (300, 30), (120, 30), (60, 30), (10, 5)] {
        assert_eq!(margin(Duration::from_secs(lifetime)), Duration::from_secs(expected));
    }
}

#[tokio::test]
async fn a_token_is_replaced_before_it_ends_and_kept_where_that_fails() {
    let server = Server::start(|_, count| match count {
        2 => answer(400, &[], r#"{"error": "temporarily_unavailable"}"#),
        _ => answer(200, &[], &json!({"access_token": format!("token-{count}"), "expires_in": "4"}).to_string()),
    })
    .await;
    let authenticator = authenticator(OAUTH2, &server.url, &environment()).unwrap();
    let (_, first) = signed(&authenticator, &server.url).await.unwrap();
    assert_eq!(signed(&authenticator, &server.url).await.unwrap().1, first);
    tokio::time::sleep(Duration::from_millis(2_200)).await;
    assert_eq!(signed(&authenticator, &server.url).await.unwrap().1, first, "the old one still works");
    assert_eq!(signed(&authenticator, &server.url).await.unwrap().1, first);
    assert_eq!(server.seen().len(), 2, "and nobody is asked again at once");
    authenticator.flight.lock().await.refused = None;
    tokio::time::sleep(Duration::from_millis(2_000)).await;
    let (request, second) = signed(&authenticator, &server.url).await.unwrap();
    assert_eq!((header(&request, "authorization"), second), ("Bearer token-3", first + 1));
    tokio::time::sleep(Duration::from_millis(2_200)).await;
    assert_eq!(signed(&authenticator, &server.url).await.unwrap().1, second + 1, "ahead of its end");
}

#[tokio::test]
async fn nobody_waits_for_a_token_while_the_old_one_works() {
    let server = Server::slow(Duration::from_millis(1_000), |_, count| {
        answer(200, &[], &json!({"access_token": format!("token-{count}"), "expires_in": 4}).to_string())
    })
    .await;
    let authenticator = authenticator(OAUTH2, &server.url, &environment()).unwrap();
    signed(&authenticator, &server.url).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let clock = Instant::now();
    let quick = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        (signed(&authenticator, &server.url).await.unwrap().1, clock.elapsed())
    };
    let (renewing, (generation, waited)) = tokio::join!(signed(&authenticator, &server.url), quick);
    assert_eq!((renewing.unwrap().1, generation), (2, 1));
    assert!(waited < Duration::from_millis(900), "{waited:?}");
}

/// Writes every secret of a kind into a file of its own, with a text that says how often.
fn write(folder: &std::path::Path, count: usize) -> Environment {
    let mut files = Environment::new();
    for name in environment().keys() {
        let path = folder.join(name);
        let mut file = std::fs::File::create(&path).unwrap();
        writeln!(file, "  the-{}-{count}", name.to_lowercase()).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(count as u64)).unwrap();
        files.insert(format!("{name}_FILE"), path.display().to_string());
    }
    files
}

fn look_now(authenticator: &Authenticator) {
    *authenticator.next_look.lock().unwrap() = Instant::now();
}

#[tokio::test]
async fn a_changed_file_is_read_again() {
    for text in KINDS {
        let server = Server::start(logins).await;
        let folder = tempfile::tempdir().unwrap();
        let files = write(folder.path(), 1);
        let authenticator = authenticator(text, &server.url, &files).unwrap();
        let (one, first) = signed(&authenticator, &server.url).await.unwrap();
        write(folder.path(), 2);
        assert_eq!(signed(&authenticator, &server.url).await.unwrap().1, first, "it was looked at a moment ago");
        look_now(&authenticator);
        let (two, second) = signed(&authenticator, &server.url).await.unwrap();
        assert_eq!(second, first + 1, "{text}");
        let shown = |request: &Request| {
            let values: Vec<_> = request.headers().values().map(|value| value.as_bytes().to_owned()).collect();
            (values, request.url().clone())
        };
        assert_ne!(shown(&one), shown(&two));
        assert!(authenticator.secrets().iter().any(|secret| secret.ends_with("-2")), "{text}");
        look_now(&authenticator);
        assert_eq!(signed(&authenticator, &server.url).await.unwrap().1, second, "nothing changed");
        // Refused before the file was looked at again, and as good as new after it.
        write(folder.path(), 3);
        assert!(authenticator.refresh(second).await.unwrap(), "{text}");
        // A file that is just being written, or gone for a moment, changes nothing.
        let third = signed(&authenticator, &server.url).await.unwrap().1;
        for name in environment().keys() {
            std::fs::write(folder.path().join(name), " \n").unwrap();
        }
        look_now(&authenticator);
        assert_eq!(signed(&authenticator, &server.url).await.unwrap().1, third);
        drop(folder);
        look_now(&authenticator);
        assert_eq!(signed(&authenticator, &server.url).await.unwrap().1, third);
        assert!(!authenticator.refresh(third).await.unwrap(), "{text}");
    }
}

#[tokio::test]
async fn a_file_of_no_use_is_named() {
    let server = Url::parse("https://tenant.example").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let environment = Environment::from([("TOKEN_FILE".to_owned(), path.display().to_string())]);
    for content in [None, Some(b" \n".to_vec()), Some(vec![0xff]), Some(vec![b'a'; 100_000])] {
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let error = authenticator(BEARER, &server, &environment).unwrap_err();
        assert_eq!(exit_of(&error), Exit::NotAuthorised);
        assert!(
            error.to_string().starts_with(&format!("reading {}, named by TOKEN_FILE: ", path.display())),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_refused_login_is_not_repeated() {
    for text in [COOKIE, OAUTH2, EXCHANGE] {
        let folder = tempfile::tempdir().unwrap();
        let server =
            Server::start(|seen, count| if count < 3 { answer(401, &[], "") } else { logins(seen, count) }).await;
        let authenticator = authenticator(text, &server.url, &write(folder.path(), 1)).unwrap();
        for _ in 0..3 {
            let error = signed(&authenticator, &server.url).await.unwrap_err();
            assert_eq!(exit_of(&error), Exit::NotAuthorised);
        }
        assert_eq!(server.seen().len(), 1, "many wrong passwords lock an account");
        for count in [2, 3] {
            write(folder.path(), count);
            look_now(&authenticator);
            assert_eq!(signed(&authenticator, &server.url).await.is_ok(), count == 3);
        }
        assert_eq!(server.seen().len(), 3);
    }
}

#[tokio::test]
async fn a_server_that_stumbles_is_asked_again() {
    for text in [COOKIE, OAUTH2, EXCHANGE] {
        let server = Server::start(|seen, count| match count {
            1 => answer(503, &[("retry-after", "0")], ""),
            2 => answer(429, &[("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")], ""),
            3 => answer(500, &[], "<html>"),
            _ => logins(seen, count),
        })
        .await;
        let authenticator = authenticator(text, &server.url, &environment()).unwrap();
        signed(&authenticator, &server.url).await.unwrap();
        assert_eq!(server.seen().iter().filter(|seen| is_login(seen)).count(), 4, "{text}");
    }
}

#[tokio::test]
async fn cookies_are_all_sent_and_gone_ones_are_not() {
    let server = Server::start(|_, _| {
        let cookies = ["a=1; Path=/", "b=2", "c=3", "b=; Max-Age=0", "a=one; Secure"];
        answer(204, &cookies.map(|cookie| ("set-cookie", cookie)), "")
    })
    .await;
    let authenticator = authenticator(COOKIE, &server.url, &environment()).unwrap();
    let (request, _) = signed(&authenticator, &server.url).await.unwrap();
    assert_eq!(header(&request, "cookie"), "c=3; a=one");
}
