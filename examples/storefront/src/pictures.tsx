// The pictures of what is sold: drawn here, in colours that style.css mixes for day and night.
import type { ReactNode } from "react";

const PICTURES: Record<string, ReactNode> = {
  kettle: (
    <>
      <path d="M40 34a20 20 0 0 1 40 0" fill="none" stroke="var(--bark)" strokeWidth="5" strokeLinecap="round" />
      <path d="M84 58 101 44l5 6-19 24z" fill="var(--sea-deep)" />
      <path d="M33 92c-6-26 4-50 27-50s33 24 27 50z" fill="var(--sea)" />
      <path d="M33 92c-2-9-2-18 0-26 8 5 46 5 54 0 2 8 2 17 0 26z" fill="var(--sea-deep)" opacity=".35" />
      <path d="M44 46a24 24 0 0 1 32 0z" fill="var(--sea-deep)" />
      <circle cx="60" cy="37" r="5" fill="var(--bark)" />
      <path d="M30 92h60" stroke="var(--bark)" strokeWidth="4" strokeLinecap="round" />
    </>
  ),
  mug: (
    <>
      <path d="M52 30c-6-6 5-9 0-16M66 30c-6-6 5-9 0-16" fill="none" stroke="var(--mist)" strokeWidth="4" strokeLinecap="round" />
      <path d="M78 50h8a13 13 0 0 1 0 27h-9" fill="none" stroke="var(--clay-deep)" strokeWidth="7" />
      <path d="M34 40h46l-3 50a6 6 0 0 1-6 5H43a6 6 0 0 1-6-5z" fill="var(--clay)" />
      <path d="M34 40h46l-1 17c-8 8-12-3-21 2s-16 3-23-3z" fill="var(--cream)" />
      <ellipse cx="57" cy="40" rx="23" ry="5" fill="var(--bark)" />
    </>
  ),
  lantern: (
    <>
      <path d="M42 40a18 24 0 0 1 36 0" fill="none" stroke="var(--bark)" strokeWidth="4" />
      <circle cx="60" cy="64" r="34" fill="var(--honey)" opacity=".28" />
      <path d="M44 42h32l6 42H38z" fill="var(--glass)" />
      <path d="M60 52c7 9 9 14 9 19a9 9 0 0 1-18 0c0-5 2-10 9-19z" fill="var(--honey)" />
      <path d="M60 64c3 4 4 6 4 9a4 4 0 0 1-8 0c0-3 1-5 4-9z" fill="var(--cream)" />
      <path d="M46 42l-5 42M74 42l5 42M60 42v10" stroke="var(--rust)" strokeWidth="3" />
      <path d="M50 34h20l8 9H42zM34 84h52v12H34z" fill="var(--rust)" />
    </>
  ),
  candle: (
    <>
      <path d="M36 34c6 8 6 14 0 16-6-2-6-8 0-16zM60 22c6 8 6 14 0 16-6-2-6-8 0-16zM84 38c6 8 6 14 0 16-6-2-6-8 0-16z" fill="var(--rust)" />
      <path d="M29 54h14v42H29z" fill="var(--honey)" />
      <path d="M53 42h14v54H53z" fill="var(--honey)" />
      <path d="M77 58h14v38H77z" fill="var(--honey)" />
      <path d="M29 54h5v42h-5zM53 42h5v54h-5zM77 58h5v38h-5z" fill="var(--cream)" opacity=".45" />
      <path d="M22 96h76" stroke="var(--bark)" strokeWidth="5" strokeLinecap="round" />
    </>
  ),
  blanket: (
    <>
      <path d="M24 78h72v14a4 4 0 0 1-4 4H28a4 4 0 0 1-4-4z" fill="var(--moss)" />
      <path d="M24 60h72v18H24z" fill="var(--cream)" />
      <path d="M24 46a6 6 0 0 1 6-6h60a6 6 0 0 1 6 6v14H24z" fill="var(--moss)" />
      <path d="M24 66h72M24 72h72" stroke="var(--rust)" strokeWidth="3" />
      <path d="M40 40v20M52 40v20M40 78v18M52 78v18" stroke="var(--cream)" strokeWidth="3" opacity=".7" />
      <path d="M68 40h18v48l-3 5-3-5-3 5-3-5-3 5-3-5z" fill="var(--moss-deep)" />
    </>
  ),
  stool: (
    <>
      <path d="M44 52 32 100M76 52l12 48M60 54v42" stroke="var(--wood-deep)" strokeWidth="7" strokeLinecap="round" />
      <path d="M40 76h40" stroke="var(--wood-deep)" strokeWidth="4" />
      <ellipse cx="60" cy="48" rx="36" ry="12" fill="var(--wood-deep)" />
      <ellipse cx="60" cy="43" rx="36" ry="12" fill="var(--wood)" />
      <path d="M36 42c10-5 38-5 48 0M46 47c8-3 20-3 28 0" fill="none" stroke="var(--wood-deep)" strokeWidth="2" opacity=".6" />
    </>
  ),
  clock: (
    <>
      <circle cx="60" cy="60" r="40" fill="var(--sea-deep)" />
      <circle cx="60" cy="60" r="33" fill="var(--cream)" />
      <path d="M60 32v6M60 82v6M32 60h6M82 60h6" stroke="var(--bark)" strokeWidth="3" strokeLinecap="round" />
      <path d="M60 60 46 50M60 60l10-20" stroke="var(--bark)" strokeWidth="4" strokeLinecap="round" />
      <path d="M60 60 76 74" stroke="var(--rust)" strokeWidth="2" strokeLinecap="round" />
      <circle cx="60" cy="60" r="4" fill="var(--rust)" />
    </>
  ),
  notebook: (
    <>
      <path d="M36 24h46a6 6 0 0 1 6 6v60a6 6 0 0 1-6 6H36z" fill="var(--cream)" />
      <path d="M32 22h48a6 6 0 0 1 6 6v60a6 6 0 0 1-6 6H32z" fill="var(--rust)" />
      <path d="M32 22h9v72h-9z" fill="var(--bark)" opacity=".45" />
      <path d="M74 22v72" stroke="var(--honey)" strokeWidth="4" />
      <path d="M48 38h18v14H48z" fill="var(--cream)" />
      <path d="M52 43h10M52 47h6" stroke="var(--bark)" strokeWidth="2" />
      <path d="M58 94v10l4-4 4 4V94z" fill="var(--moss)" />
    </>
  ),
  lamp: (
    <>
      <path d="M54 46 24 92h76z" fill="var(--honey)" opacity=".28" />
      <path d="M84 98 90 58 66 34" fill="none" stroke="var(--bark)" strokeWidth="5" strokeLinejoin="round" strokeLinecap="round" />
      <path d="M36 44 62 20l14 18-36 20z" fill="var(--moss)" />
      <path d="M36 44l4 14 8-4-6-15z" fill="var(--moss-deep)" />
      <circle cx="45" cy="55" r="6" fill="var(--honey)" />
      <path d="M64 100a20 9 0 0 1 40 0z" fill="var(--moss)" />
      <circle cx="90" cy="58" r="4" fill="var(--rust)" />
    </>
  ),
  bowl: (
    <>
      <circle cx="48" cy="48" r="13" fill="var(--rust)" />
      <circle cx="70" cy="46" r="14" fill="var(--moss)" />
      <path d="M48 35c0-5 3-8 7-9M70 32c0-4-2-7-5-8" fill="none" stroke="var(--bark)" strokeWidth="3" strokeLinecap="round" />
      <path d="M20 56h80a40 40 0 0 1-80 0z" fill="var(--wood)" />
      <path d="M26 70c18 8 50 8 68 0M36 82c14 5 34 5 48 0" fill="none" stroke="var(--wood-deep)" strokeWidth="2" opacity=".6" />
      <path d="M46 94h28v5H46z" fill="var(--wood-deep)" />
    </>
  ),
  radio: (
    <>
      <path d="M44 40 70 16" stroke="var(--bark)" strokeWidth="3" strokeLinecap="round" />
      <circle cx="71" cy="15" r="3" fill="var(--rust)" />
      <rect x="18" y="40" width="84" height="54" rx="9" fill="var(--clay)" />
      <circle cx="44" cy="67" r="19" fill="var(--clay-deep)" />
      <path d="M32 60h24M29 67h30M32 74h24" stroke="var(--cream)" strokeWidth="3" strokeLinecap="round" opacity=".8" />
      <rect x="70" y="50" width="24" height="10" rx="3" fill="var(--cream)" />
      <path d="M85 50v10" stroke="var(--rust)" strokeWidth="2" />
      <circle cx="75" cy="76" r="6" fill="var(--bark)" />
      <circle cx="91" cy="76" r="4" fill="var(--bark)" />
      <path d="M28 94v5M92 94v5" stroke="var(--bark)" strokeWidth="5" strokeLinecap="round" />
    </>
  ),
  olive: (
    <>
      <path d="M60 78V34" stroke="var(--wood-deep)" strokeWidth="5" strokeLinecap="round" />
      <path d="M60 56c-8-3-14-9-17-16M60 50c8-3 13-8 16-15" fill="none" stroke="var(--wood-deep)" strokeWidth="3" />
      <circle cx="60" cy="27" r="17" fill="var(--moss)" />
      <circle cx="41" cy="37" r="14" fill="var(--moss-deep)" />
      <circle cx="79" cy="35" r="14" fill="var(--moss-deep)" />
      <circle cx="52" cy="32" r="3" fill="var(--cream)" />
      <circle cx="70" cy="27" r="3" fill="var(--cream)" />
      <circle cx="77" cy="40" r="3" fill="var(--cream)" />
      <path d="M38 76h44l-5 26a4 4 0 0 1-4 3H47a4 4 0 0 1-4-3z" fill="var(--clay)" />
      <path d="M35 72h50v10H35z" fill="var(--clay-deep)" />
    </>
  ),
};

/** Decoration: the name stands beside it. */
export function Picture({ slug }: { slug: string }) {
  return (
    <svg className="picture" viewBox="0 0 120 120" aria-hidden="true">
      {PICTURES[slug] ?? <circle cx="60" cy="60" r="30" fill="var(--mist)" />}
    </svg>
  );
}

/** A heart, full where it is wished for. */
export function Heart({ full }: { full: boolean }) {
  return (
    <svg className={full ? "heart full" : "heart"} viewBox="0 0 24 24" aria-hidden="true">
      <path d="M12 20.5C5.6 16 3 12.6 3 9.2A4.7 4.7 0 0 1 7.7 4.5c1.8 0 3.3.9 4.3 2.5 1-1.6 2.5-2.5 4.3-2.5A4.7 4.7 0 0 1 21 9.2c0 3.4-2.6 6.8-9 11.3z" />
    </svg>
  );
}

export function Moon() {
  return (
    <svg className="moon" viewBox="0 0 32 32" aria-hidden="true">
      <circle cx="16" cy="16" r="15" />
      <path d="M21.5 20.6A8 8 0 0 1 12 9.5a8 8 0 1 0 9.5 11.1z" />
    </svg>
  );
}
