// What is sold: all of it, what was searched for, one thing, and what one wishes for.
import { Link, useTitle } from "./router";
import { Heart, Picture } from "./pictures";
import { price, useAnswer, type Product, type Refused } from "./shop";
import { useWishes } from "./wishes";

export function WishButton({ product, wide = false }: { product: Product; wide?: boolean }) {
  const { slugs, wish } = useWishes();
  const wanted = slugs?.includes(product.slug) ?? false;
  return (
    <button
      type="button"
      className={wide ? "wish main" : "wish"}
      aria-pressed={wanted}
      aria-label={wide ? undefined : `Wish for ${product.name}`}
      onClick={() => wish(product, !wanted)}
    >
      <Heart full={wanted} />
      {wide && (wanted ? "On your wishlist" : "Add to wishlist")}
    </button>
  );
}

function Card({ product }: { product: Product }) {
  return (
    <li className="card">
      <Link to={`/product/${product.slug}`}>
        <Picture slug={product.slug} />
        <span className="name">{product.name}</span>
      </Link>
      <span className="price">
        {price(product.cents)} {product.stock === 0 && <em>sold out</em>}
      </span>
      <WishButton product={product} />
    </li>
  );
}

export function Failed({ failed, again }: { failed: Refused; again: () => void }) {
  return (
    <div className="notice" role="alert">
      <p>{failed.message}</p>
      <button type="button" onClick={again}>
        Try again
      </button>
    </div>
  );
}

export function Shelf({ words }: { words: string }) {
  useTitle(words ? `“${words}”` : undefined);
  const { data, failed, again } = useAnswer<Product[]>(`/api/products?q=${encodeURIComponent(words)}`);
  return (
    <>
      <h1 tabIndex={-1}>{words ? <>Results for “{words}”</> : "Things for quiet evenings"}</h1>
      {failed && <Failed failed={failed} again={again} />}
      {data && data.length === 0 && (
        <p className="empty">
          Nothing here is called that. <Link to="/">See everything</Link>
        </p>
      )}
      <ul className="grid">
        {data?.map((product) => (
          <Card key={product.slug} product={product} />
        ))}
      </ul>
    </>
  );
}

function left(stock: number): string {
  if (stock === 0) return "Sold out for now. Wish for it, and you will find it again.";
  return stock < 10 ? `Only ${stock} left.` : "In stock.";
}

export function ProductPage({ slug }: { slug: string }) {
  const { data, failed, again } = useAnswer<Product>(`/api/products/${encodeURIComponent(slug)}`);
  useTitle(data?.name);
  if (failed?.status === 404) return <Missing />;
  if (failed) return <Failed failed={failed} again={again} />;
  if (data?.slug !== slug) return null;
  return (
    <article className="product">
      <div className="stage">
        <Picture slug={data.slug} />
      </div>
      <div>
        <p className="back">
          <Link to="/">← All things</Link>
        </p>
        <h1 tabIndex={-1}>{data.name}</h1>
        <p className="price">{price(data.cents)}</p>
        <p>{data.description}</p>
        <p className="soft">{left(data.stock)}</p>
        <WishButton product={data} wide />
      </div>
    </article>
  );
}

export function WishlistPage() {
  useTitle("Wishlist");
  const { slugs } = useWishes();
  const { data, failed, again } = useAnswer<Product[]>("/api/products?q=");
  const wished = slugs?.flatMap((slug) => data?.find((product) => product.slug === slug) ?? []);
  return (
    <>
      <h1 tabIndex={-1}>Your wishlist</h1>
      {failed && <Failed failed={failed} again={again} />}
      {wished?.length === 0 && (
        <p className="empty">
          Nothing yet. <Link to="/">Look around</Link>, and press a heart.
        </p>
      )}
      <ul className="grid">
        {wished?.map((product) => (
          <Card key={product.slug} product={product} />
        ))}
      </ul>
    </>
  );
}

export function Missing() {
  useTitle("Not here");
  return (
    <div className="notice big">
      <h1 tabIndex={-1}>404</h1>
      <p>There is nothing here.</p>
      <Link to="/">Back to the shop</Link>
    </div>
  );
}
