// Stock, for staff. Whether somebody is, the API decides at every request; this page shows its answer.
import { useState, type FormEvent } from "react";
import { useAuth } from "@countersign/client/react";
import { Link, useTitle } from "./router";
import { Failed } from "./shelf";
import { Picture } from "./pictures";
import { read, refusal, useAnswer, type Product } from "./shop";

export function StockPage({ say }: { say: (text: string) => void }) {
  useTitle("Stock");
  const { client } = useAuth();
  const { data, failed, again } = useAnswer<Product[]>("/api/stock", client.fetch);
  if (failed?.status === 403) {
    return (
      <div className="notice big" role="alert">
        <h1 tabIndex={-1}>403</h1>
        <p>You are signed in, but stock is for staff: it takes the role “admin”.</p>
        <p className="soft">
          The shop’s API answered <code>{failed.code}</code>. Hiding this page would not have protected anything.
        </p>
        <Link to="/">Back to the shop</Link>
      </div>
    );
  }
  return (
    <>
      <h1 tabIndex={-1}>Stock</h1>
      {failed && <Failed failed={failed} again={again} />}
      <ul className="stock">
        {data?.map((product) => (
          <Row key={product.slug} product={product} say={say} />
        ))}
      </ul>
    </>
  );
}

function Row({ product, say }: { product: Product; say: (text: string) => void }) {
  const { client } = useAuth();
  const [saved, setSaved] = useState(product);

  async function save(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const change = { name: String(form.get("name")), stock: Number(form.get("stock")) };
    try {
      const response = await client.fetch(`/api/stock/${saved.slug}`, {
        method: "PATCH",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(change),
      });
      const changed = await read<Product>(response);
      setSaved(changed);
      say(`${changed.name}: ${changed.stock} in stock.`);
    } catch (error) {
      say(refusal(error).message);
    }
  }

  return (
    <li>
      <form onSubmit={save} aria-label={saved.slug}>
        <Picture slug={saved.slug} />
        <label>
          <span>Name</span>
          <input name="name" defaultValue={saved.name} required maxLength={80} />
        </label>
        <label>
          <span>In stock</span>
          <input name="stock" type="number" min="0" max="9999" defaultValue={saved.stock} required />
        </label>
        <button>Save</button>
      </form>
    </li>
  );
}
