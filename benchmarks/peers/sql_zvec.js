// zvec's part of benchmarks/peers/sql.py: `node sql_zvec.js JOB.json`, run from where @zvec/zvec is installed.
// The job names raw float32 files; answers and times are printed as one JSON object.
const fs = require("fs");
const path = require("path");
const zvec = require(require.resolve("@zvec/zvec", { paths: [process.cwd()] }));

const job = JSON.parse(fs.readFileSync(process.argv[2]));
const floats = (file) => {
  const bytes = fs.readFileSync(file);
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
};
const seconds = () => Number(process.hrtime.bigint()) / 1e9;
const folderBytes = (folder) => fs.readdirSync(folder, { withFileTypes: true }).reduce((sum, entry) => {
  const name = path.join(folder, entry.name);
  return sum + (entry.isDirectory() ? folderBytes(name) : fs.statSync(name).size);
}, 0);

zvec.ZVecInitialize({ queryThreads: 1, optimizeThreads: 1, logLevel: zvec.ZVecLogLevel.ERROR });
const T = zvec.ZVecDataType;
const base = floats(job.base), queries = floats(job.queries), dim = job.dim, n = base.length / dim;
const schema = new zvec.ZVecCollectionSchema({
  name: "bench",
  vectors: { name: "embedding", dataType: T.VECTOR_FP32, dimension: dim,
    indexParams: { indexType: zvec.ZVecIndexType.HNSW, metricType: zvec.ZVecMetricType.L2, m: job.m, efConstruction: job.ef_construction } },
  fields: ["u", "a", "b", "c", "d"].map((name) => ({ name, dataType: T.INT64 })),
});
let start = seconds();
let collection = zvec.ZVecCreateAndOpen(job.folder, schema);
for (let first = 0; first < n; first += 1000) {
  const docs = [];
  for (let i = first; i < Math.min(n, first + 1000); i++)
    docs.push({ id: String(i), vectors: { embedding: base.subarray(i * dim, (i + 1) * dim) },
      fields: { u: job.u[i], a: i % 10, b: i % 100, c: i % 1000, d: i % 7 } });
  collection.insertSync(docs);
}
collection.optimizeSync();
const insert = n / (seconds() - start);
collection.closeSync();
start = seconds();
collection = zvec.ZVecOpen(job.folder, {});
const ask = (q, ef, window) => collection.querySync({
  fieldName: "embedding", topk: 10, vector: queries.subarray(q * dim, (q + 1) * dim), outputFields: [],
  ...(window ? { filter: `u >= ${window[0]} AND u < ${window[1]}` } : {}),
  params: { indexType: zvec.ZVecIndexType.HNSW, ef },
}).map((one) => Number(one.id));
ask(0, 64, null);
const open = seconds() - start;
const answers = {};
for (const [name, windows] of Object.entries(job.windows)) {
  answers[name] = {};
  for (const ef of job.efs) {
    const ids = [], times = [];
    for (let q = 0; q < job.nq; q++) {
      start = seconds();
      ids.push(ask(q, ef, windows ? windows[q] : null));
      times.push(seconds() - start);
    }
    answers[name][ef] = { ids, seconds: times.reduce((x, y) => x + y) / times.length };
  }
}
collection.closeSync();
console.log(JSON.stringify({ insert, open, answers, bytes: folderBytes(job.folder), memory: process.resourceUsage().maxRSS * 1024 }));
