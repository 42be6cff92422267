// What mends a run that failed, by the code of its reason.

/** [{label, parameters}] to train with other parameters, [{label, place: "images"}] to look at the data. */
export function remedies(code, { batchSize = 2, learningRate = 0.001, imageSize = 32, maxRuntimeMinutes = 480 }) {
  // What is left empty suits weights that were never trained.
  const fromScratch = { pretrained: false, learningRate: "", epochs: "", batchSize: "", weightDecay: "", backboneRate: "", warmupEpochs: "", emaDecay: "" };
  const half = Math.max(2, Math.floor(batchSize / 2));
  const known = {
    "weights-missing": [{ label: "Train without pretrained weights", parameters: fromScratch }],
    "weights-corrupt": [{ label: "Train without pretrained weights", parameters: fromScratch }],
    "out-of-memory": [{ label: `Use a batch size of ${half}`, parameters: { batchSize: half } }],
    killed: [{ label: `Use a batch size of ${half}`, parameters: { batchSize: half } }],
    "non-finite-loss": [{ label: "Use a tenth of the learning rate", parameters: { learningRate: Number((learningRate / 10).toPrecision(6)) } }],
    "disk-full": [{ label: "Use smaller images", parameters: { imageSize: Math.max(32, Math.floor(imageSize / 64) * 32) } }],
    "timed-out": [{ label: "Allow twice the time", parameters: { maxRuntimeMinutes: Math.min(10080, 2 * maxRuntimeMinutes) } }],
    "no-trainable-data": [{ label: "Look at the images", place: "images" }],
    "missing-object": [{ label: "Look at the images", place: "images" }],
    "changed-object": [{ label: "Look at the images", place: "images" }],
  };
  return known[code] ?? [];
}
