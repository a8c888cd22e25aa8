"use strict";
document.documentElement.classList.add("scripted");
const strength = document.getElementById("strength");
const apply = () => document.documentElement.style.setProperty("--strength", strength.value / 100);
strength.addEventListener("input", apply);
apply();
for (const box of document.querySelectorAll(".sounding")) {
  const player = box.querySelector("audio");
  const picture = box.querySelector("[data-cursor]");
  const cursor = picture.querySelector(".cursor");
  const draw = () => {
    cursor.style.display = "block";
    cursor.style.left = 100 * player.currentTime / (player.duration || 1) + "%";
    if (!player.paused) requestAnimationFrame(draw);
  };
  for (const event of ["play", "seeked", "timeupdate"]) player.addEventListener(event, draw);
  player.addEventListener("play", () => {
    for (const other of document.querySelectorAll("audio")) if (other !== player) other.pause();
  });
  picture.addEventListener("click", event => {
    if (event.target.closest("a") || !player.duration) return;
    const area = picture.getBoundingClientRect();
    player.currentTime = player.duration * (event.clientX - area.left) / area.width;
  });
}
const parts = document.querySelectorAll("[data-node], [data-edge], .claim");
const light = sentence => {
  const [claims, edges, nodes] = ["claims", "edges", "nodes"].map(name => new Set(sentence ? JSON.parse(sentence.dataset[name]) : []));
  let any = false;
  for (const part of parts) {
    const meant = edges.has(part.dataset.edge) || nodes.has(part.dataset.node) || claims.has(part.id);
    part.classList.toggle("lit", meant);
    any = any || meant;
  }
  document.documentElement.classList.toggle("lighting", any);
};
for (const sentence of document.querySelectorAll(".said")) {
  for (const event of ["mouseenter", "focusin"]) sentence.addEventListener(event, () => light(sentence));
  for (const event of ["mouseleave", "focusout"]) sentence.addEventListener(event, () => light(null));
}
