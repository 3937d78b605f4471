//! Each row of what can come of a power-off, and that it is sent once.

use std::time::Duration;

use super::{
    link,
    stub::{FakeStore, list, power_off_reply, xml},
};
use crate::{
    domain::ClientName,
    upstream::{
        Error, ErrorKind,
        storefront::{Access, PowerOffOutcome},
        testing::{Answer, context, context_for, with_headers},
    },
};

async fn outcome(fake: &FakeStore) -> Result<PowerOffOutcome, Error> {
    let store = fake.basic();
    let link = link(fake, &store).await;
    let name = ClientName::try_from("kiosk-7").unwrap();
    let visit = fake.upstream.storefront.visit(&store, Access::Account);
    visit.power_off(&context(), &link, &name).await
}

/// What an answer means; it must have been sent once.
async fn meaning(answer: Answer) -> Result<PowerOffOutcome, Error> {
    let fake = FakeStore::start().await;
    fake.instead("poweroff", vec![answer]);
    let outcome = outcome(&fake).await;
    assert_eq!(fake.lines("poweroff").len(), 1);
    outcome
}

#[tokio::test]
async fn every_id_means_what_it_says() {
    for (id, expected) in [
        ("in-maintenance-mode", "InMaintenanceMode"),
        ("no-machine", "NoMachine"),
        ("not-supported", "NotSupported"),
        ("operation-in-progress", "InProgress"),
        ("timed-out", "TimedOut"),
        ("not-trusted", "NotTrusted"),
        ("odd", "Unspecified { id: Some(\"odd\") }"),
    ] {
        let answer = power_off_reply("status=\"failure\"", &format!("<errorid>{id}</errorid>"));
        assert_eq!(format!("{:?}", meaning(answer).await.unwrap()), expected);
    }
}

#[tokio::test]
async fn statuses_mean_what_they_say() {
    let reason =
        |reason: &str| with_headers(404, &format!("X-Citrix-Error-Reason: {reason}\r\n"), "<html>");
    for (answer, expected) in [
        (reason("ResourceNotFound"), "ResourceNotFound"),
        (reason("ResourceDisabled"), "ResourceDisabled"),
        (reason("UnsupportedOperation"), "NotSupported"),
        (with_headers(404, "", "<html>"), "ResourceNotFound"),
    ] {
        assert_eq!(format!("{:?}", meaning(answer).await.unwrap()), expected);
    }
    for (status, expected) in [
        (302, ErrorKind::Failed),
        (400, ErrorKind::Failed),
        (403, ErrorKind::Forbidden),
        (405, ErrorKind::Failed),
        (406, ErrorKind::Malformed),
        (415, ErrorKind::Failed),
        (429, ErrorKind::RateLimited { retry_after: Some(Duration::from_secs(30)) }),
        (500, ErrorKind::OutcomeUnknown),
        (503, ErrorKind::OutcomeUnknown),
        (504, ErrorKind::OutcomeUnknown),
    ] {
        let error = meaning(with_headers(status, "", "<html>")).await.unwrap_err();
        assert_eq!((error.kind, error.status), (expected, Some(status)));
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_leaves_the_outcome_open() {
    let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
    let ns = "http://citrix.com/delivery-services/1-0/machinepoweroff";
    let good = format!("<machinepoweroff xmlns='{ns}' status='success'></machinepoweroff>");
    let length = good.len();
    let cut = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{}", &good[..40]);
    let no_gzip = with_headers(200, "Content-Encoding: gzip\r\n", &good);
    for answer in [
        xml(200, "", "<html><body>busy</body></html>"),
        xml(200, "", ""),
        xml(200, "", &good[..length - 5]),
        xml(200, "", &good.replace("1-0", "2-0")),
        xml(200, "", &format!("<!DOCTYPE m [<!ENTITY x 'y'>]>{good}")),
        xml(200, "", &power(&deep)),
        xml(200, "", &power(&"x".repeat(1024 * 1024))),
        Answer::Cut(cut.into_bytes()),
        no_gzip,
    ] {
        let outcome = meaning(answer).await.unwrap();
        let PowerOffOutcome::Unreadable(error) = &outcome else { panic!("{outcome:?}") };
        assert_eq!((error.kind, error.status), (ErrorKind::Malformed, Some(200)));
    }
}

fn power(inside: &str) -> String {
    let ns = "http://citrix.com/delivery-services/1-0/machinepoweroff";
    format!("<machinepoweroff xmlns='{ns}' status='success'>{inside}</machinepoweroff>")
}

#[tokio::test]
async fn a_lost_connection_leaves_the_outcome_open() {
    assert_eq!(meaning(Answer::Close).await.unwrap_err().kind, ErrorKind::OutcomeUnknown);
}

#[tokio::test]
async fn silence_until_the_deadline_leaves_the_outcome_open() {
    let fake = FakeStore::start().await;
    let store = fake.basic();
    let link = link(&fake, &store).await;
    fake.instead("poweroff", vec![Answer::Silence]);
    let name = ClientName::try_from("kiosk-7").unwrap();
    let visit = fake.upstream.storefront.visit(&store, Access::Account);
    let soon = context_for(std::time::Duration::from_millis(300));
    let error = visit.power_off(&soon, &link, &name).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::OutcomeUnknown);
    let past = context_for(std::time::Duration::ZERO);
    let error = visit.power_off(&past, &link, &name).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::DeadlineExceeded);
    assert_eq!(fake.lines("poweroff").len(), 1);
}

#[tokio::test]
async fn it_is_sent_again_only_after_a_401() {
    let fake = FakeStore::start().await;
    let store = fake.basic();
    let link = link(&fake, &store).await;
    fake.change(|settings| settings.refuse = vec!["expired"]);
    let name = ClientName::try_from("kiosk-7").unwrap();
    let visit = fake.upstream.storefront.visit(&store, Access::Account);
    let outcome = visit.power_off(&context(), &link, &name).await.unwrap();
    assert!(matches!(outcome, PowerOffOutcome::Done));
    assert_eq!(fake.lines("poweroff").len(), 2);

    fake.change(|settings| settings.refuse = vec!["expired"; 9]);
    let error = visit.power_off(&context(), &link, &name).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::RejectedCredentials);
    assert_eq!(fake.lines("poweroff").len(), 4);
}

#[tokio::test]
async fn a_link_to_another_origin_is_not_followed() {
    let fake = FakeStore::start().await;
    let elsewhere =
        list("full", "").replace("/Citrix/Store/resources", "http://evil.test/resources");
    fake.change(|settings| settings.list = elsewhere);
    let error = outcome(&fake).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Malformed);
    assert!(error.message.unwrap().contains("another origin"));
    assert_eq!(fake.lines("poweroff").len(), 0);
}
