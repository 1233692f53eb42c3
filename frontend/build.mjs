// Bundles src/ into the demo site's static files; `--watch` does so again at every change.
import { build, context } from 'esbuild'

const options = {
  entryPoints: ['src/edit.js', 'src/style.css'],
  outdir: '../yredis_project/static/build',
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'es2021',
  legalComments: 'eof',
  logLevel: 'warning',
}

if (process.argv.includes('--watch')) {
  await (await context(options)).watch()
} else {
  await build(options)
}
