use super::*;
use crate::behaviour::Kept;
use crate::behaviour::tests::visit;
use crate::exchange::{Anomalies, Completeness, Content, Exchange, FieldLine, Fields, Response, Version};
use crate::inspect::Settings;
use crate::time::{Order, Timestamp};
use crate::token::Tokens;
use crate::visit::Hashing;

/// What a request with `body` and its answer are taken for.
fn seen(line: &str, content_type: &str, body: &str, status: u16, answer: &str) -> Option<Attempt> {
    seen_with(line, ("Content-Type", content_type), body, status, ("Content-Type", "application/json"), answer)
}

fn seen_with(
    line: &str,
    field: (&str, &str),
    body: &str,
    status: u16,
    answer_field: (&str, &str),
    answer: &str,
) -> Option<Attempt> {
    let (method, target) = line.split_once(' ').unwrap();
    let text = |field: (&str, &str)| format!("{}{}", field.0, field.1);
    let lines = |field: (&str, &str)| {
        [FieldLine {
            name: 0,
            name_len: field.0.len() as u16,
            value: field.0.len() as u32,
            value_len: field.1.len() as u32,
        }]
    };
    let (head, answer_head) = (text(field), text(answer_field));
    let (head_lines, answer_lines) = (lines(field), lines(answer_field));
    let content = |text: &'static [u8]| Content { bytes: text, len: text.len() as u64, ..Content::default() };
    let leak = |text: &str| -> &'static [u8] { Box::leak(text.as_bytes().into()) };
    let exchange = Exchange {
        order: Order::default(),
        started: Timestamp::default(),
        ended: Timestamp::default(),
        client: "10.0.0.1:50000".parse().unwrap(),
        server: "10.9.9.9:80".parse().unwrap(),
        request: Some(Request {
            method: method.as_bytes(),
            target: target.as_bytes(),
            version: Version::Http11,
            fields: Fields::new(head.as_bytes(), &head_lines),
            content: content(leak(body)),
        }),
        response: Some(Response {
            status,
            version: Version::Http11,
            fields: Fields::new(answer_head.as_bytes(), &answer_lines),
            content: content(leak(answer)),
        }),
        completeness: Completeness::none(),
        anomalies: Anomalies::none(),
    };
    let hashing = Hashing::new([1; 32]);
    let mut visit = visit("10.0.0.1", target, status);
    let identity = identity::of(exchange.request.as_ref().unwrap(), &hashing, &mut Tokens::default());
    (visit.credential, visit.principal) = (identity.credential, identity.principal);
    let (exchange, visit_seen, kept) = (&exchange, &mut visit, &mut Kept::new(&Settings::default()));
    observe(&mut Seen { exchange, visit: visit_seen, hashing: &hashing, openapi: None, kept });
    visit.facts.into_iter().find_map(|fact| match fact {
        Fact::Login(attempt) => Some(attempt),
        _ => None,
    })
}

fn json(line: &str, body: &str, status: u16, answer: &str) -> Option<(AttemptKind, Verdict)> {
    seen(line, "application/json", body, status, answer).map(|attempt| (attempt.kind, attempt.verdict))
}

use AttemptKind::{Basic, Client, Code, Identify, Password, Refresh, Registration, Reset};
use Verdict::{In, Limited, None as Unjudged, Out};

#[test]
fn logins_by_their_shape() {
    let body = r#"{"email":"ann@corp.example","password":"hunter2"}"#;
    assert_eq!(json("POST /auth/login", body, 401, "{}"), Some((Password, Out)));
    assert_eq!(json("POST /enter", body, 200, r#"{"access_token":"0123456789abcdef0"}"#), Some((Password, In)));
    assert_eq!(json("POST /users/register", body, 201, "{}"), Some((Registration, In)));
    let nested = r#"{"user":{"email":"ann@corp.example","password":"hunter2"}}"#;
    assert_eq!(json("POST /v1/sessions", nested, 422, r#"{"errors":"invalid"}"#), Some((Password, Out)));
    let mutation = r#"{"query":"mutation SignIn($e:String!){signIn(email:$e){token}}","variables":{"email":"a@b.c","password":"x"}}"#;
    assert_eq!(
        json("POST /graphql", mutation, 200, r#"{"data":{"signIn":null},"errors":[{"message":"no"}]}"#),
        Some((Password, Out))
    );
    let inline = r#"{"query":"mutation { login(username: \"ann\", password: \"x\") { token } }"}"#;
    assert_eq!(
        json("POST /graphql", inline, 200, r#"{"data":{"login":{"token":"abcdefghijklmnop"}}}"#),
        Some((Password, In))
    );
    assert_eq!(json("POST /graphql", r#"{"query":"{ orders { id } }"}"#, 200, "{}"), None);
    let form = |line, body, status| {
        seen(line, "application/x-www-form-urlencoded", body, status, "").map(|attempt| (attempt.kind, attempt.verdict))
    };
    assert_eq!(form("POST /anmelden", "benutzername=ann&kennwort=x", 403), Some((Password, Out)));
    assert_eq!(form("GET /login?user=ann&pass=x", "", 401), Some((Password, Out)));
    assert_eq!(form("POST /oauth2/token", "grant_type=password&username=a&password=x", 400), Some((Password, Out)));
    assert_eq!(form("POST /oauth2/token", "grant_type=refresh_token&refresh_token=x", 400), Some((Refresh, Out)));
    assert_eq!(
        form("POST /oauth2/token", "grant_type=client_credentials&client_id=a&client_secret=b", 401),
        Some((Client, Out))
    );
    assert_eq!(form("POST /oauth2/token", "grant_type=authorization_code&code=123456", 200), None);
}

#[test]
fn codes_resets_and_names_are_told_apart() {
    let pin = r#"{"card_id":"c-1","pin":"0000"}"#;
    assert_eq!(json("POST /v2/check", pin, 200, r#"{"ok":false,"left":null}"#), Some((Code, Out)));
    assert_eq!(json("POST /me/2fa/verify", r#"{"code":"123456"}"#, 200, r#"{"verified":true}"#), Some((Code, In)));
    assert_eq!(json("POST /coupons/redeem", r#"{"code":"SUMMER"}"#, 404, "{}"), None);
    assert_eq!(json("POST /password/forgot", r#"{"email":"a@b.c"}"#, 404, "{}"), Some((Reset, Out)));
    assert_eq!(json("POST /login/start", r#"{"email":"a@b.c"}"#, 200, r#"{"next":"password"}"#), Some((Identify, In)));
    assert_eq!(json("PUT /me", r#"{"current_password":"a","new_password":"b"}"#, 200, "{}"), None);
    assert_eq!(json("POST /orders", r#"{"item":1,"email":"a@b.c"}"#, 200, "{}"), None);
}

#[test]
fn the_answer_says_whether_it_worked() {
    let body = r#"{"login":"ann","password":"x"}"#;
    let answered = |status, answer| json("POST /login", body, status, answer).unwrap().1;
    for answer in [
        r#"{"success":false}"#,
        r#"{"status":"error","message":"Invalid credentials"}"#,
        r#"{"code":401,"data":null}"#,
        r#"{"error":{"code":"bad"}}"#,
        r#"{"result":"WRONG_PASSWORD"}"#,
        r#"{"msg":"Benutzername oder Kennwort falsch"}"#,
    ] {
        assert_eq!(answered(200, answer), Out, "{answer}");
    }
    for answer in
        ["", "{}", r#"{"error":null,"id":7}"#, r#"{"success":true,"message":"Welcome"}"#, r#"{"code":0,"status":"ok"}"#]
    {
        assert_eq!(answered(200, answer), In, "{answer}");
    }
    assert_eq!(answered(429, ""), Limited);
    assert_eq!(answered(403, r#"{"message":"Account locked"}"#), Limited);
    assert_eq!(answered(200, r#"{"success":false,"reason":"TOO_MANY_ATTEMPTS"}"#), Limited);
    assert_eq!(answered(422, r#"{"detail":[{"msg":"Field required"}]}"#), Unjudged);
    assert_eq!(answered(500, ""), Unjudged);
    let page = "<html><form><input type=\"password\"></form>";
    let html = ("Content-Type", "text/html");
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let verdict =
        |status, field, answer| seen_with("POST /login", form, "user=a&pass=b", status, field, answer).unwrap().verdict;
    assert_eq!(verdict(200, html, page), Out);
    assert_eq!(verdict(200, html, "<html>Welcome"), In);
    assert_eq!(verdict(302, ("Location", "/login?error=1"), ""), Out);
    assert_eq!(verdict(302, ("Location", "/account"), ""), In);
}

#[test]
fn one_account_and_one_secret_have_one_hash_each() {
    let by_json =
        seen("POST /login", "application/json", r#"{"login":"Ann@corp.example","password":"x"}"#, 401, "{}").unwrap();
    let by_form =
        seen("POST /login", "application/x-www-form-urlencoded", "login=ann%40corp.example&password=x", 401, "{}")
            .unwrap();
    assert_eq!((by_json.account, by_json.secret, by_json.answer), (by_form.account, by_form.secret, by_form.answer));
    let basic = seen_with("GET /", ("Authorization", "Basic YW5uOng="), "", 401, ("X", ""), "").unwrap();
    assert_eq!((basic.kind, basic.verdict, basic.secret), (Basic, Out, by_json.secret));
}

#[test]
fn answers_are_compared_by_their_words() {
    let answer = |login: &str, text: &str| {
        seen("POST /login", "application/json", &format!(r#"{{"login":"{login}","password":"x"}}"#), 401, text)
            .unwrap()
            .answer
    };
    assert_eq!(answer("ann", r#"{"m":"no ann","id":"a1"}"#), answer("bob", r#"{"m":"no bob","id":"b2"}"#));
    assert_ne!(answer("ann", r#"{"m":"unknown user"}"#), answer("ann", r#"{"m":"wrong password"}"#));
}
