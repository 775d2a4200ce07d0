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
";

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

    /// The slugs of what this user wishes for.
    pub(crate) async fn wishes(&self, sub: &str) -> sqlx::Result<Vec<String>> {
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
        sqlx::query("INSERT INTO wishes (sub, slug) VALUES (?, ?) ON CONFLICT DO NOTHING")
            .bind(sub)
            .bind(slug)
            .execute(&self.0)
            .await?;
        Ok(true)
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
