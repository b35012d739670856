//! The command that asks a running gateway how it is.

use std::process::Output;

use tokio::process::Command;

use crate::process::Data;

async fn health(listen: &str, options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
    command.args(["health", "--listen", listen]).args(options).output().await.unwrap()
}

#[tokio::test]
async fn a_gateway_that_serves_is_well_and_one_that_is_gone_is_not() {
    let (data, ()) = Data::new(async |store| store.close().await.unwrap()).await;
    let gateway = data.serve("ws://127.0.0.1:9/ws/chat", &[]).await;
    let address = gateway.address().to_owned();
    for options in [&[][..], &["--ready"]] {
        let answer = health(&address, options).await;
        assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
        assert!(answer.stdout.is_empty() && answer.stderr.is_empty());
    }
    assert!(gateway.terminate().await.success());
    let answer = health(&address, &[]).await;
    let shown = String::from_utf8(answer.stderr).unwrap();
    assert!(!answer.status.success() && shown.contains(&address), "{shown}");
}

#[tokio::test]
async fn whatever_answers_with_another_status_is_not_well() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let router = axum::Router::new().fallback(async || axum::http::StatusCode::SERVICE_UNAVAILABLE);
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let answer = health(&address, &["--ready"]).await;
    let shown = String::from_utf8(answer.stderr).unwrap();
    assert!(!answer.status.success() && shown.contains("503 to /readyz"), "{shown}");
    serving.abort();
}
