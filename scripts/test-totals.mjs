// Prints the totals of a vitest JSON report, ends with the line `N passed, N failed`, and leaves with 1 unless all is well.
import { readFileSync } from 'node:fs';

const [reportFile, statusText] = process.argv.slice(2);
const status = Number(statusText);

function readReport() {
  try {
    return JSON.parse(readFileSync(reportFile, 'utf8'));
  } catch (error) {
    process.stderr.write(`error: the tests left no report (${error.message})\n`);
    return {
      numTotalTestSuites: 0,
      numPassedTests: 0,
      numFailedTests: 0,
      numPendingTests: 0,
      numTodoTests: 0,
      testResults: [],
      success: false,
    };
  }
}

const report = readReport();
const skipped = report.numPendingTests + report.numTodoTests;
const brokenFiles = report.testResults.filter(
  (file) => file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed'),
);
for (const file of brokenFiles) process.stdout.write(`could not run: ${file.name}\n`);
// A file that could not run counts as one failure, and so does a check that failed: no closing line may look better than the run was.
const failed = report.numFailedTests + brokenFiles.length || (status === 0 && report.success ? 0 : 1);
process.stdout.write(`vitest: ${report.testResults.length} files, ${report.numTotalTests ?? 0} tests\n`);
process.stdout.write(`${report.numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
process.exitCode = failed === 0 ? 0 : 1;
