#pragma once
// libzip's handles, closed by themselves. For the files of this folder.
#include <zip.h>

#include <memory>

namespace ddls::tensor {

struct CloseArchive {
  void operator()(zip_t* archive) const { zip_discard(archive); }  // read only: nothing to write back
};
struct CloseFile {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};
using Archive = std::unique_ptr<zip_t, CloseArchive>;
using ArchiveFile = std::unique_ptr<zip_file_t, CloseFile>;

}  // namespace ddls::tensor
