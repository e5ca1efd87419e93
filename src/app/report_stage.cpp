#include <cstdio>

#include "app/run.hpp"
#include "report/report.hpp"

namespace ddls {

void picture_stage(Run& run) {
  if (!run.writes()) return;
  run.comm.on_root([&] { return write_pictures(run.folder, run.config.sample.methods), std::string(); });
}

void report_stage(Run& run) {
  run.comm.on_root([&] {
    write_report(run.folder);
    const std::string summary = summary_text(run.folder);
    std::fwrite(summary.data(), 1, summary.size(), stdout);
    std::fflush(stdout);
    return std::string();
  });
}

}  // namespace ddls
