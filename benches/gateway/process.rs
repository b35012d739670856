//! This program again, as another process: lines of JSON in, lines of JSON out.

use std::process::Stdio;

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines, Stdin},
    process::{Child, ChildStdin, ChildStdout, Command},
};

/// A process in one of the roles; it ends with this value.
pub(crate) struct Worker {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    /// Starts a role and waits for its first line.
    pub(crate) async fn start(role: &str, arguments: &[&str]) -> (Self, Value) {
        let program = std::env::current_exe().expect("this program has a path");
        let mut child = Command::new(program)
            .args(["--role", role])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("this program starts again");
        let orders = child.stdin.take().expect("standard input is a pipe");
        let answers = child.stdout.take().expect("standard output is a pipe");
        let mut worker = Self { child, orders, answers: BufReader::new(answers).lines() };
        let first = worker.answer().await;
        (worker, first)
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("the process runs")
    }

    /// Gives an order and waits for what came of it.
    pub(crate) async fn ask(&mut self, order: &Value) -> Value {
        let line = format!("{order}\n");
        self.orders.write_all(line.as_bytes()).await.expect("the process listens");
        self.answer().await
    }

    async fn answer(&mut self) -> Value {
        let line = self.answers.next_line().await.expect("the answer is text");
        let line = line.expect("the process ended instead of answering");
        serde_json::from_str(&line).expect("the answer is JSON")
    }
}

/// The other end of [`Worker`]: what this process is told to do.
pub(crate) struct Orders(Lines<BufReader<Stdin>>);

impl Orders {
    /// Says that this process is ready, with what the other side has to know.
    pub(crate) fn ready(with: &Value) -> Self {
        println!("{with}");
        Self(BufReader::new(tokio::io::stdin()).lines())
    }

    /// The next order; none once the bench is over.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        let line = self.0.next_line().await.ok()??;
        Some(serde_json::from_str(&line).expect("an order is JSON"))
    }
}
