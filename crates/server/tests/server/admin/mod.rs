//! `/admin/*`. That strangers and users are kept out is shown in `credentials`.

mod audit;
mod clients;
mod keys;
mod sessions;
mod users;
