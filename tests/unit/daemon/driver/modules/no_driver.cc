// A library, and no module.
extern "C" int vx_test_no_driver() { return 0; }
