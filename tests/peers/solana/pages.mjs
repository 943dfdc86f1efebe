// What the sellers sell, under the way they are paid by; and what they were asked, with the time.

import express from "express";

export function pages(charge) {
  const seen = [];
  const app = express().use(express.json());
  app.get("/seen", (_, res) => res.json(seen));
  app.use((req, res, next) => {
    const row = { path: req.originalUrl, paid: Boolean(req.get("payment-signature") ?? req.get("x-payment")), from: Date.now() };
    seen.push(row);
    res.on("finish", () => Object.assign(row, { until: Date.now(), status: res.statusCode }));
    next();
  });
  charge(app);
  let sold = 0;
  app.get("/free", (_, res) => res.json({ goods: "free" }));
  app.get("/:way/cent", (_, res) => res.json({ goods: "a page worth a cent", copy: (sold += 1) }));
  app.post("/:way/echo", ({ body }, res) => res.json({ goods: "an echo", body }));
  app.get("/:way/broken", (_, res) => res.status(500).json({ error: "out of goods" }));
  return app;
}
