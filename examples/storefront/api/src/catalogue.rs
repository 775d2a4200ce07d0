//! What the shop remembers: products, and who wishes for which.

use serde::{Deserialize, Serialize};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteRow};
use sqlx::{FromRow, Row as _, SqlitePool};

/// What a new shop sells.
const PRODUCTS: &str = include_str!("../products.json");

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS products (
        place INTEGER PRIMARY KEY,
        slug TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        description TEXT NOT NULL,
        cents INTEGER NOT NULL CHECK (cents >= 0),
        stock INTEGER NOT NULL CHECK (stock >= 0)
    ) STRICT;
    CREATE TABLE IF NOT EXISTS wishes (
        sub TEXT NOT NULL,
        slug TEXT NOT NULL REFERENCES products (slug),
        PRIMARY KEY (sub, slug)
    ) STRICT;
    CREATE TABLE IF NOT EXISTS people (
        sub TEXT NOT NULL PRIMARY KEY,
        seen INTEGER NOT NULL
    ) STRICT;
    INSERT INTO people (sub, seen) SELECT DISTINCT sub, unixepoch() FROM wishes WHERE true
        ON CONFLICT DO NOTHING;
";

/// Seconds for which wishes are kept of somebody who does not come. That an account is gone is told
/// to no service: its tokens are refused, as after a logout.
const REMEMBERED: i64 = 365 * DAY;
const DAY: i64 = 24 * 60 * 60;

/// Something that is sold. The picture belongs to the page, by `slug`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Product {
    slug: String,
    name: String,
    description: String,
    cents: i64,
    stock: i64,
}

impl FromRow<'_, SqliteRow> for Product {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            slug: row.try_get("slug")?,
            name: row.try_get("name")?,
            description: row.try_get("description")?,
            cents: row.try_get("cents")?,
            stock: row.try_get("stock")?,
        })
    }
}

/// What a member of staff changes; what is left out stays.
#[derive(Debug, Deserialize)]
pub(crate) struct Change {
    pub(crate) name: Option<String>,
    pub(crate) stock: Option<i64>,
}

/// The shop's database. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Catalogue(SqlitePool);

impl Catalogue {
    /// Opens the file, or makes it with a dozen products.
    pub(crate) async fn open(file: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal);
        let pool = SqlitePool::connect_with(options).await?;
        let mut opening = pool.begin().await?;
        sqlx::raw_sql(SCHEMA).execute(&mut *opening).await?;
        for product in serde_json::from_str::<Vec<Product>>(PRODUCTS)? {
            sqlx::query(
                "INSERT INTO products (slug, name, description, cents, stock)
                 VALUES (?, ?, ?, ?, ?) ON CONFLICT (slug) DO NOTHING",
            )
            .bind(product.slug)
            .bind(product.name)
            .bind(product.description)
            .bind(product.cents)
            .bind(product.stock)
            .execute(&mut *opening)
            .await?;
        }
        opening.commit().await?;
        Ok(Self(pool))
    }

    /// Products whose name or description holds the words as they are; all for no words.
    pub(crate) async fn search(&self, words: &str) -> sqlx::Result<Vec<Product>> {
        sqlx::query_as(
            "SELECT slug, name, description, cents, stock FROM products
             WHERE instr(lower(name || ' ' || description), lower(?)) > 0 ORDER BY place",
        )
        .bind(words.trim())
        .fetch_all(&self.0)
        .await
    }

    pub(crate) async fn product(&self, slug: &str) -> sqlx::Result<Option<Product>> {
        sqlx::query_as("SELECT slug, name, description, cents, stock FROM products WHERE slug = ?")
            .bind(slug)
            .fetch_optional(&self.0)
            .await
    }

    /// The slugs of what this user wishes for, who is here today.
    pub(crate) async fn wishes(&self, sub: &str) -> sqlx::Result<Vec<String>> {
        sqlx::query(
            "UPDATE people SET seen = unixepoch() WHERE sub = ? AND seen < unixepoch() - ?",
        )
        .bind(sub)
        .bind(DAY)
        .execute(&self.0)
        .await?;
        sqlx::query_scalar("SELECT slug FROM wishes WHERE sub = ? ORDER BY rowid")
            .bind(sub)
            .fetch_all(&self.0)
            .await
    }

    /// Whether there is such a product. Wishing twice is wishing once.
    pub(crate) async fn wish(&self, sub: &str, slug: &str) -> sqlx::Result<bool> {
        if self.product(slug).await?.is_none() {
            return Ok(false);
        }
        let mut wishing = self.0.begin().await?;
        sqlx::query(
            "INSERT INTO people (sub, seen) VALUES (?, unixepoch())
             ON CONFLICT (sub) DO UPDATE SET seen = excluded.seen",
        )
        .bind(sub)
        .execute(&mut *wishing)
        .await?;
        sqlx::query("INSERT INTO wishes (sub, slug) VALUES (?, ?) ON CONFLICT DO NOTHING")
            .bind(sub)
            .bind(slug)
            .execute(&mut *wishing)
            .await?;
        wishing.commit().await?;
        Ok(true)
    }

    /// Forgets the wishes of whoever was not here for a year, and that they ever were.
    pub(crate) async fn forget_the_absent(&self) -> sqlx::Result<()> {
        let mut forgetting = self.0.begin().await?;
        sqlx::query("DELETE FROM people WHERE seen < unixepoch() - ?")
            .bind(REMEMBERED)
            .execute(&mut *forgetting)
            .await?;
        sqlx::query("DELETE FROM wishes WHERE sub NOT IN (SELECT sub FROM people)")
            .execute(&mut *forgetting)
            .await?;
        forgetting.commit().await
    }

    /// No wish that was not there is no error.
    pub(crate) async fn forget(&self, sub: &str, slug: &str) -> sqlx::Result<()> {
        sqlx::query("DELETE FROM wishes WHERE sub = ? AND slug = ?")
            .bind(sub)
            .bind(slug)
            .execute(&self.0)
            .await?;
        Ok(())
    }

    /// The product as it is then; none where there is none.
    pub(crate) async fn change(&self, slug: &str, to: Change) -> sqlx::Result<Option<Product>> {
        sqlx::query_as(
            "UPDATE products SET name = coalesce(?, name), stock = coalesce(?, stock)
             WHERE slug = ? RETURNING slug, name, description, cents, stock",
        )
        .bind(to.name)
        .bind(to.stock)
        .bind(slug)
        .fetch_optional(&self.0)
        .await
    }
}

#[cfg(test)]
mod tests {
    use countersign_testkit::TempDir;

    use super::Catalogue;

    async fn days_pass(catalogue: &Catalogue, days: i64) {
        let earlier = sqlx::query("UPDATE people SET seen = seen - ? * 86400").bind(days);
        earlier.execute(&catalogue.0).await.unwrap();
        catalogue.forget_the_absent().await.unwrap();
    }

    #[tokio::test]
    async fn wishes_are_kept_for_a_year_after_the_last_visit_and_no_longer() {
        let folder = TempDir::new();
        let file = folder.join("shop.db").display().to_string();
        let catalogue = Catalogue::open(&file).await.unwrap();
        for sub in ["gone", "reads", "wishes"] {
            assert!(catalogue.wish(sub, "mug").await.unwrap());
        }
        days_pass(&catalogue, 364).await;
        assert_eq!(catalogue.wishes("reads").await.unwrap(), ["mug"]);
        catalogue.wish("wishes", "radio").await.unwrap();
        days_pass(&catalogue, 2).await;
        assert_eq!(catalogue.wishes("gone").await.unwrap(), [""; 0]);
        assert_eq!(catalogue.wishes("reads").await.unwrap(), ["mug"]);
        assert_eq!(catalogue.wishes("wishes").await.unwrap(), ["mug", "radio"]);

        // In a file from before this was kept, everybody was last here when it was first opened.
        let table = sqlx::query("DROP TABLE people");
        table.execute(&catalogue.0).await.unwrap();
        let catalogue = Catalogue::open(&file).await.unwrap();
        days_pass(&catalogue, 364).await;
        assert_eq!(catalogue.wishes("reads").await.unwrap(), ["mug"]);
    }
}
