//! The floor: axum with nothing around it, as its makers start it, answering as many bytes.

use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use serde_json::json;
use tokio::net::TcpListener;

use crate::child::{Child, Parent};

/// Bare axum in a process of its own, on the first core.
pub(crate) struct Hello {
    process: Child,
    pub(crate) url: String,
}

impl Hello {
    /// That answers `{"logged_in_as": name}`.
    pub(crate) async fn start(name: &str) -> Self {
        let pinned = ["taskset", "--cpu-list", "0"];
        let mut process = Child::start_by(&pinned, &["child-hello", name]);
        let port = &process.hear().await["port"];
        let url = format!("http://127.0.0.1:{port}/protected");
        Self { process, url }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }
}

#[derive(Serialize)]
struct LoggedInAs {
    logged_in_as: String,
}

/// `NAME`: serves on a free port.
pub(crate) async fn run(args: &[String]) {
    let [name] = args.to_owned().try_into().expect("one argument");
    let answer = async move || {
        let logged_in_as = name.clone();
        Json(LoggedInAs { logged_in_as })
    };
    let app = Router::new().route("/protected", get(answer));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    Parent.say(&json!({"port": port}));
    axum::serve(listener, app).await.expect("it serves");
}
