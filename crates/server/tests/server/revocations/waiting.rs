//! What those who wait are told, how soon, and what a logout knows of it.

use super::*;

#[tokio::test]
async fn a_waiting_poll_is_answered_within_milliseconds_of_a_logout_or_after_its_wait() {
    let (server, client) = closed();
    let shop = service(&server, "shop");
    register(&client, "ada").await;
    let mut at = seq(&ask(&client, &shop, "").await);
    let began = Instant::now();
    let none = ask(&client, &shop, &format!("after={at}&wait=1")).await;
    assert!(
        began.elapsed() >= Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(
        (seq(&none), floors(&none).len(), none["more"] == false),
        (at, 0, true)
    );
    let mut took = Vec::new();
    for _ in 0..20 {
        let ada = login(&client, "ada").await;
        let request = feed(&client, &format!("after={at}&wait={WAIT}"));
        let poll = hold(request.header("authorization", &shop)).await;
        logout(&client, &ada.access).await.expect(200);
        let acknowledged = Instant::now();
        let (answer, answered) = poll.await.unwrap();
        let answer = answer.expect(200).json();
        assert_eq!(floors(&answer).len(), 1);
        at = seq(&answer);
        took.push(answered.saturating_duration_since(acknowledged));
    }
    took.sort();
    println!(
        "from the answer to a logout to that of the poll: p50 {:?}, worst {:?}",
        took[10], took[19]
    );
    assert!(
        took[10] < Duration::from_millis(if busy() { 500 } else { 50 }),
        "{took:?}"
    );
}

#[tokio::test]
async fn a_cursor_from_ahead_of_the_log_begins_anew_and_is_warned_of() {
    let (server, client) = closed();
    let shop = service(&server, "shop");
    let ada = newcomer(&client, "ada").await;
    logout(&client, &ada.access).await.expect(200);
    let all = ask(&client, &shop, "after=0").await;
    let ahead = seq(&all) + 60_000_000;
    let answer = ask(&client, &shop, &format!("after={ahead}&wait={WAIT}")).await;
    assert_eq!(
        (&answer["seq"], &answer["floors"]),
        (&all["seq"], &all["floors"])
    );
    assert_eq!(floors(&answer).len(), 1);
    server.wait_for_log("ahead of the log");
    assert_eq!(
        ask(&client, &shop, "").await["seq"],
        all["seq"],
        "a claim changes nothing"
    );
}

#[tokio::test]
async fn a_command_beside_the_server_reaches_those_who_wait() {
    let (mut server, client) = closed();
    let shop = service(&server, "shop");
    let mut worst = Duration::ZERO;
    register(&client, "ada").await;
    for _ in 0..3 {
        let ada = login(&client, "ada").await;
        let sid = claims(&ada.access)["sid"].as_str().unwrap().to_owned();
        let (follower, credentials) = (client.clone(), shop.clone());
        let mut at = seq(&ask(&client, &shop, "").await);
        let poll = tokio::spawn(async move {
            loop {
                // A command moves the log on as it starts, so that the first answer may be empty.
                let query = format!("after={at}&wait={WAIT}");
                let answer = ask(&follower, &credentials, &query).await;
                match floors(&answer).first() {
                    Some(floor) => return (floor["subject"].clone(), Instant::now()),
                    None => at = seq(&answer),
                }
            }
        });
        tokio::time::sleep(Duration::from_millis(60)).await;
        let id = sid.clone();
        let command = tokio::task::spawn_blocking(move || {
            let exit = server.cli(&["session", "revoke", &id]);
            (server, exit, Instant::now())
        });
        let (back, exit, ended) = command.await.unwrap();
        server = back;
        assert_eq!(exit.code, Some(0), "{exit:?}");
        let (told, answered) = poll.await.unwrap();
        assert_eq!(told, subject("session", &sid));
        worst = worst.max(answered.saturating_duration_since(ended));
    }
    println!("from the end of the command to the answer of the poll: {worst:?} at worst");
    assert!(
        worst < Duration::from_millis(if busy() { 500 } else { 100 }),
        "{worst:?}"
    );
}

#[tokio::test]
async fn new_keys_are_told_to_those_who_wait_and_are_there_by_then() {
    let (server, client) = closed();
    let shop = service(&server, "shop");
    admin(&server, "boss").await;
    let kids = async || -> Vec<String> {
        let set = client
            .get("/.well-known/jwks.json")
            .send()
            .await
            .expect(200)
            .json();
        let keys = set["keys"].as_array().unwrap().iter();
        keys.map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect()
    };
    let mut known = ask(&client, &shop, "").await;
    for waits in [true, false] {
        for method in ["POST", "DELETE"] {
            let query = format!("after={}&wait={WAIT}", seq(&known));
            let request = feed(&client, &query).header("authorization", &shop);
            let poll = match waits {
                true => Some(hold(request.clone()).await),
                false => None,
            };
            let before = kids().await;
            let path = match method {
                "POST" => "/admin/keys/rotate".to_owned(),
                _ => format!("/admin/keys/{}", before[0]),
            };
            let boss = login(&client, "boss").await;
            let done = client
                .request(method, &path)
                .bearer(&boss.access)
                .send()
                .await;
            assert!(done.status < 300, "{done:?}");
            let began = Instant::now();
            let answer = match poll {
                Some(poll) => poll.await.unwrap().0,
                None => request.send().await,
            };
            assert!(began.elapsed() < AT_ONCE, "{method} {waits}");
            let answer = answer.expect(200).json();
            assert_ne!(answer["keys"], known["keys"], "{method} {waits}");
            assert_eq!(floors(&answer).len(), 0);
            let now = kids().await;
            match method {
                "POST" => assert_eq!((now.len(), &now[..1]), (2, &before[..1])),
                _ => assert!(now.len() == 1 && !now.contains(&before[0])),
            }
            known = answer;
        }
    }
}

#[tokio::test]
async fn a_logout_says_whether_those_who_follow_know() {
    let (server, client) = closed();
    let credentials = [service(&server, "shop"), service(&server, "cart")];
    register(&client, "ada").await;
    let end = async |prefer: Option<&str>| {
        let ada = login(&client, "ada").await;
        let mut request = client.post("/logout").bearer(&ada.access);
        if let Some(prefer) = prefer {
            request = request.header("prefer", prefer);
        }
        let began = Instant::now();
        let body = request.send().await.expect(200).json();
        (body.get("propagated").cloned(), began.elapsed())
    };
    for none in [
        None,
        Some("respond-async"),
        Some("wait"),
        Some("wait=-1"),
        Some("wait=x"),
        Some("waits=1"),
    ] {
        assert_eq!(end(none).await.0, None, "{none:?}");
    }
    for prefer in ["wait=5", "respond-async, Wait = 5"] {
        let (propagated, took) = end(Some(prefer)).await;
        assert_eq!(propagated, Some(json!(true)), "nobody follows");
        assert!(took < AT_ONCE);
    }
    // Those who do not say both who they are and for how long do not count.
    for query in ["", "follower=a", "lease=30"] {
        ask(&client, &credentials[0], query).await;
    }
    assert_eq!(end(Some("wait=1")).await.0, Some(json!(true)));

    // Two that follow: each asks again with what it was given.
    let follow = |credentials: String, lease: u64| {
        let client = client.clone();
        tokio::spawn(async move {
            let mut at = 0;
            loop {
                let query = format!("after={at}&wait={WAIT}&follower=a&lease={lease}");
                at = seq(&ask(&client, &credentials, &query).await);
            }
        })
    };
    let followers = credentials
        .clone()
        .map(|credentials| follow(credentials, 30));
    for _ in 0..3 {
        let (propagated, took) = end(Some("wait=5")).await;
        assert_eq!(propagated, Some(json!(true)));
        println!("two followers know a logout, and it knows that, in {took:?}");
        assert!(took < AT_ONCE);
    }
    // One stays away: its lease must lapse first.
    followers[1].abort();
    let (propagated, took) = end(Some("wait=1")).await;
    assert_eq!(propagated, Some(json!(false)));
    assert!(took >= Duration::from_secs(1), "{took:?}");
    assert_eq!(end(Some("wait=0")).await.0, Some(json!(false)));
    let (propagated, took) = end(Some("wait=600")).await;
    assert_eq!(propagated, Some(json!(false)));
    assert!(
        (Duration::from_secs(5)..Duration::from_secs(8)).contains(&took),
        "{took:?}"
    );
    // It comes back with a short lease, and stays away for good.
    let again = follow(credentials[1].clone(), 1);
    assert_eq!(end(Some("wait=5")).await.0, Some(json!(true)));
    again.abort();
    let (propagated, took) = end(Some("wait=5")).await;
    assert_eq!(
        propagated,
        Some(json!(true)),
        "without a lease it lets nobody in"
    );
    assert!(took < Duration::from_secs(3), "{took:?}");
    followers[0].abort();
}

#[tokio::test]
async fn on_loopback_those_without_credentials_count_too() {
    let (_server, client) = start(&[]);
    let ada = newcomer(&client, "ada").await;
    let at = seq(&feed(&client, "follower=a&lease=30")
        .send()
        .await
        .expect(200)
        .json());
    feed(&client, &format!("after={at}&follower=a&lease=30"))
        .send()
        .await
        .expect(200);
    let request = client
        .post("/logout")
        .bearer(&ada.access)
        .header("prefer", "wait=0");
    assert_eq!(request.send().await.expect(200).json()["propagated"], false);
}

#[tokio::test]
async fn a_stopping_server_answers_those_who_wait_at_once() {
    let (server, client) = start(&[]);
    let at = seq(&feed(&client, "").send().await.expect(200).json());
    let mut polls = Vec::new();
    for _ in 0..20 {
        let request = feed(&client, &format!("after={at}&wait={WAIT}"));
        polls.push(tokio::spawn(request.send()));
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(polls.iter().all(|poll| !poll.is_finished()));
    let began = Instant::now();
    let exit = tokio::task::spawn_blocking(move || server.terminate())
        .await
        .unwrap();
    let took = began.elapsed();
    assert_eq!(exit.code, Some(0), "{exit:?}");
    for poll in polls {
        assert_eq!(seq(&poll.await.unwrap().expect(200).json()), at);
    }
    println!("a server with 20 waiting polls stops in {took:?}");
    assert!(
        took < Duration::from_secs(if busy() { 3 } else { 1 }),
        "{took:?}"
    );
}

fn resident_kib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn two_hundred_followers_cost_little_and_all_hear_of_a_logout() {
    let (server, client) = closed();
    let shop = service(&server, "shop");
    let ada = newcomer(&client, "ada").await;
    let at = seq(&ask(&client, &shop, "").await);
    let alone = resident_kib(&server);
    let polls: Vec<_> = (0..200)
        .map(|n| {
            let query = format!("after={at}&wait={WAIT}&follower={n}&lease=30");
            let request = feed(&client, &query).header("authorization", &shop);
            tokio::spawn(async move { (request.send().await, Instant::now()) })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    assert!(polls.iter().all(|poll| !poll.is_finished()));
    let followed = resident_kib(&server);
    let began = Instant::now();
    logout(&client, &ada.access).await.expect(200);
    let mut last = Duration::ZERO;
    for poll in polls {
        let (answer, answered) = poll.await.unwrap();
        assert_eq!(floors(&answer.expect(200).json()).len(), 1);
        last = last.max(answered.saturating_duration_since(began));
    }
    println!(
        "200 followers: {alone} KiB without, {followed} KiB with; the last heard of a logout after {last:?}"
    );
    assert!(followed < alone + 64 * 1_024 && last < AT_ONCE);
}

#[tokio::test]
async fn a_follower_of_one_node_hears_of_a_logout_at_another_and_none_is_promised_more() {
    let Some(database) = TestDatabase::postgres().await else {
        return;
    };
    let [one, two] = [(); 2].map(|()| {
        let settings = [
            ("server.public_url", "http://localhost:5000"),
            ("revocation.require_auth", "always"),
        ];
        set(home().database(&database), &settings).start()
    });
    let (a, b) = (one.client(), two.client());
    let shop = service(&one, "shop");
    register(&a, "ada").await;
    let mut at = seq(&ask(&a, &shop, "").await);
    let mut worst = Duration::ZERO;
    for _ in 0..5 {
        let ada = login(&a, "ada").await;
        let request = feed(&b, &format!("after={at}&wait={WAIT}&follower=a&lease=30"));
        let poll = hold(request.header("authorization", &shop)).await;
        let prefer = a
            .post("/logout")
            .bearer(&ada.access)
            .header("prefer", "wait=5");
        let body = prefer.send().await.expect(200).json();
        assert_eq!(body, json!({"message": "Logged out"}));
        let acknowledged = Instant::now();
        // Not waiting for its look: an answer rests on one begun after the question.
        let now = ask(&b, &shop, &format!("after={at}")).await;
        assert_eq!(floors(&now).len(), 1);
        let (answer, answered) = poll.await.unwrap();
        let answer = answer.expect(200).json();
        assert_eq!(answer["floors"], now["floors"]);
        worst = worst.max(answered.saturating_duration_since(acknowledged));
        at = seq(&answer);
    }
    println!("a poll at the other node is answered {worst:?} after the logout, at worst");
    assert!(
        worst < Duration::from_millis(if busy() { 500 } else { 100 }),
        "{worst:?}"
    );

    // And of keys: what the other node says of them is what it gives.
    let boss = register(&a, "boss").await;
    make_admin(database.url(), boss["id"].as_str().unwrap()).await;
    for _ in 0..5 {
        let kids = async |client: &Client| {
            let set = client
                .get("/.well-known/jwks.json")
                .send()
                .await
                .expect(200)
                .json();
            set["keys"][0]["kid"].as_str().unwrap().to_owned()
        };
        let stolen = kids(&a).await;
        let path = format!("/admin/keys/{stolen}");
        let boss = login(&a, "boss").await.access;
        a.request("DELETE", &path)
            .bearer(&boss)
            .send()
            .await
            .expect(204);
        assert_ne!(kids(&b).await, stolen, "a follower would keep a stolen key");
    }

    // Without its database a node answers nobody, whoever waits included.
    let at = seq(&ask(&b, &shop, "").await);
    let request = feed(&b, &format!("after={at}&wait=3"));
    let poll = hold(request.header("authorization", &shop)).await;
    drop(database);
    let answer = poll.await.unwrap().0;
    answer.refused(503, "unavailable");
    well_formed(&answer);
    let answer = feed(&b, "").header("authorization", &shop).send().await;
    answer.refused(503, "unavailable");
    well_formed(&answer);
}
