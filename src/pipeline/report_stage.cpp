#include "base/output.hpp"
#include "pipeline/run.hpp"
#include "report/report.hpp"

namespace ddls {

void picture_stage(Run& run) {
  if (!run.writes()) return;
  run.comm.on_root([&] { return write_pictures(run.folder, run.config.sample.methods), std::string(); });
}

void report_stage(Run& run) {
  run.comm.on_root([&] {
    write_report(run.folder);
    return print_result(summary_text(run.folder)), std::string();
  });
}

}  // namespace ddls
