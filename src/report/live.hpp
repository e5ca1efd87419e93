#pragma once
// A page that follows a run while it goes (`ddls_dist watch`): progress, curves, pictures, from the run folder alone.
// One process; no MPI. It reads files that the run writes complete or not at all, and never writes any of them.
#include <filesystem>
#include <functional>
#include <string>

#include "report/run_data.hpp"

namespace ddls::report {

class LivePage {
 public:
  // Throws Error(missing) where there is no such folder.
  explicit LivePage(std::filesystem::path run_folder);

  // Reads the folder and writes RUN/live.html, which loads itself anew after `reload_s` seconds as long as the run
  // goes on. Returns whether it has ended: its report.html is the newest of its results. What is being replaced while
  // it is read is shown the next time. Throws Error: data (a damaged file), runtime (cannot write).
  bool update(int reload_s);
  std::filesystem::path file() const;

 private:
  std::string body(const RunData& run, bool ended);
  std::filesystem::path folder_;
  std::string name_;                 // of the folder
  std::string pictures_, pictured_;  // HTML, and which samples it shows: drawn anew when there are others
};

// Updates until the run has ended or `stop()`, about every `every_s` seconds, and never for more than a tenth of the
// time. Returns whether it has ended.
bool watch_run(LivePage& page, double every_s, const std::function<bool()>& stop);

}  // namespace ddls::report
