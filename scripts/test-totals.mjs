// Prints the totals of a vitest JSON report, ends with the line `N passed, N failed`, and leaves with 1 unless all is well.
import { readFileSync } from 'node:fs';

const [reportFile, statusText] = process.argv.slice(2);
const noReport = { numTotalTests: 0, numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, testResults: [] };

function readReport() {
  try {
    return JSON.parse(readFileSync(reportFile, 'utf8'));
  } catch (error) {
    process.stderr.write(`error: the tests left no report (${error.message})\n`);
    return noReport;
  }
}

const report = readReport();
const skipped = report.numPendingTests + report.numTodoTests;
const brokenFiles = report.testResults.filter(
  ({ status, assertionResults }) => status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
);
for (const { name } of brokenFiles) process.stdout.write(`could not run: ${name}\n`);
// What failed beside the tests, such as a check, counts as one failure: the closing line never looks better than the run was.
const allWell = statusText === '0' && report.success === true && report.numPassedTests > 0;
const failed = report.numFailedTests + brokenFiles.length || (allWell ? 0 : 1);
process.stdout.write(`vitest: ${report.testResults.length} files, ${report.numTotalTests} tests\n`);
process.stdout.write(`${report.numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
process.exitCode = failed === 0 ? 0 : 1;
