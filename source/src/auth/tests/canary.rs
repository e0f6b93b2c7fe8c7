//! Secrets that nobody may ever see, in every kind and every failure.

use futures::future::join_all;

use super::*;

/// With characters that every encoding writes differently.
const CANARY: &str = "cAnArY \"7&/+ü:";
const PLAIN_CANARY: &str = "cAnArY-7";

fn is_shown(text: &str) -> bool {
    let mut forms = vec![CANARY.to_owned(), PLAIN_CANARY.to_owned(), "cAnArY".to_owned()];
    for canary in [CANARY, PLAIN_CANARY] {
        for user in [canary, "the-user", "the-client_id"] {
            forms.push(STANDARD.encode(format!("{user}:{canary}")));
        }
    }
    forms.iter().any(|form| text.contains(form))
}

fn planted(canary: &str) -> Environment {
    let mut planted: Environment = environment().into_keys().map(|name| (name, canary.to_owned())).collect();
    planted.insert("USER".to_owned(), "the-user".to_owned());
    planted.insert("CLIENT_ID".to_owned(), "the-client_id".to_owned());
    planted
}

fn all_of(error: &anyhow::Error) -> String {
    let hint = error.downcast_ref::<Failure>().and_then(|failure| failure.hint.clone());
    format!("{error} {error:#} {error:?} {hint:?}")
}

async fn all_about(authenticator: &Authenticator) -> String {
    let flight = authenticator.flight.lock().await;
    format!("{authenticator:?} {:?} {:?} {:?}", authenticator.peek(), flight.vault, flight.refused)
}

/// Repeats all it was sent, as it came and decoded.
fn echo(seen: &Seen) -> String {
    let basic = seen.headers.get("authorization").map_or("", |value| value.to_str().unwrap());
    let encoded = basic.trim_start_matches("Basic ");
    let decoded = String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap();
    format!("{basic} {decoded} {} {}", seen.body, seen.body.replace("\\\"", "\""))
}

#[tokio::test]
async fn a_secret_is_in_no_error_and_no_debug_output() {
    type Failing = fn(&Seen, usize) -> axum::response::Response;
    let failures: [(&str, Failing, Option<Exit>); 9] = [
        (
            "refused, and repeated",
            |seen, _| {
                answer(401, &[], &json!({"error": "invalid_client", "error_description": echo(seen)}).to_string())
            },
            Some(Exit::NotAuthorised),
        ),
        (
            "repeated as a message",
            |seen, _| answer(403, &[], &json!({"message": echo(seen)}).to_string()),
            Some(Exit::NotAuthorised),
        ),
        ("repeated as a page", |seen, _| answer(200, &[("content-type", "text/html")], &echo(seen)), None),
        ("failing", |seen, _| answer(500, &[], &json!({"error": echo(seen)}).to_string()), Some(Exit::ApiUnavailable)),
        (
            "redirected",
            |seen, _| {
                let target = format!("/login/{}?was={}", jwt::encode(CANARY), jwt::encode(&echo(seen)));
                answer(302, &[("location", &target)], "")
            },
            Some(Exit::NotAuthorised),
        ),
        ("empty", |_, _| answer(200, &[], "{}"), None),
        (
            "of another type",
            |seen, _| answer(200, &[], &json!({"access_token": "t", "token_type": echo(seen)}).to_string()),
            None,
        ),
        ("too large", |_, _| answer(200, &[], &PLAIN_CANARY.repeat(200_000)), Some(Exit::ApiUnavailable)),
        (
            "for later than anybody waits",
            |seen, _| answer(429, &[("retry-after", "3600")], &json!({"error": echo(seen)}).to_string()),
            Some(Exit::ApiUnavailable),
        ),
    ];
    let mut cases = Vec::new();
    for (name, failing, exit) in failures {
        for text in [COOKIE, OAUTH2, EXCHANGE] {
            cases.push(async move {
                let server = Server::start(failing).await;
                let authenticator = authenticator(text, &server.url, &planted(CANARY)).unwrap();
                let error = signed(&authenticator, &server.url).await.map(|_| ()).unwrap_err();
                let shown = all_of(&error);
                assert!(!is_shown(&shown) && !is_shown(&all_about(&authenticator).await), "{name}: {shown}");
                assert!(error.to_string().starts_with(&format!("asking {}", server.url)), "{shown}");
                assert!(!error.to_string().contains("tenant="), "{shown}");
                if let Some(exit) = exit {
                    assert_eq!(exit_of(&error), exit, "{name} {text}");
                }
                if name == "refused, and repeated" {
                    assert!(error.to_string().contains(": 401 Unauthorized: invalid_client, "), "{error}");
                }
            });
        }
    }
    join_all(cases).await;
}

#[tokio::test]
async fn a_secret_is_not_shown_where_nobody_answers() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let planted = planted(CANARY);
    let cases = [COOKIE, OAUTH2, EXCHANGE].map(async |text| {
        let authenticator = authenticator(text, &url, &planted).unwrap();
        let error = signed(&authenticator, &url).await.unwrap_err();
        assert_eq!(exit_of(&error), Exit::ApiUnavailable);
        let shown = all_of(&error);
        assert!(!is_shown(&shown) && shown.contains("4 tries") && shown.contains("no answer"), "{shown}");
    });
    join_all(cases).await;
}

#[tokio::test]
async fn a_secret_that_cannot_be_sent_is_named_and_not_shown() {
    let server = Url::parse("https://tenant.example").unwrap();
    let canary = format!("{PLAIN_CANARY}\n{PLAIN_CANARY}");
    for (text, variable) in [(BEARER, "TOKEN"), (KEY_IN_HEADER, "KEY"), (JWT, "ACCESS_KEY")] {
        let error = authenticator(text, &server, &planted(&canary)).unwrap_err();
        assert_eq!(exit_of(&error), Exit::NotAuthorised);
        assert!(error.to_string().starts_with(&format!("{variable} holds a character")), "{error}");
        assert!(!is_shown(&all_of(&error)), "{error}");
    }
    let mut colon = planted(PLAIN_CANARY);
    colon.insert("USER".to_owned(), format!("me:{PLAIN_CANARY}"));
    for text in [BASIC, COOKIE] {
        let outcome = match authenticator(text, &server, &colon) {
            Ok(authenticator) => signed(&authenticator, &server).await.map(|_| ()),
            Err(error) => Err(error),
        };
        let error = outcome.unwrap_err();
        assert!(error.to_string().starts_with("USER holds a colon") && !is_shown(&all_of(&error)), "{error}");
    }
}

#[tokio::test]
async fn a_token_received_is_not_shown_either() {
    let server = Server::start(|seen, _| match seen.path.as_str() {
        "/oauth/token" => answer(200, &[], &json!({"access_token": PLAIN_CANARY}).to_string()),
        "/authenticate" => answer(200, &[], PLAIN_CANARY),
        _ => answer(200, &[("set-cookie", &format!("session={PLAIN_CANARY}"))], ""),
    })
    .await;
    for text in KINDS {
        let authenticator = authenticator(text, &server.url, &planted(PLAIN_CANARY)).unwrap();
        let (request, _) = signed(&authenticator, &server.url).await.unwrap();
        assert!(!is_shown(&all_about(&authenticator).await), "{text}");
        assert!(!is_shown(&format!("{:?}", request.headers())), "{text}");
        assert!(authenticator.secrets().contains(&PLAIN_CANARY.to_owned()), "{text}");
    }
}
