"""``python -m opsportal.run``"""

import sys

from opsportal.run.program import main

sys.exit(main())
